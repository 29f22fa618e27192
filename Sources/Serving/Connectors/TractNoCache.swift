// `tract-nocache`: the hand-over of `tract` without its cache: blocks live for one request.

/// Every block is private to its request and removed once decode has read it.
enum NoReuse: ReusePolicy {
  static var reuses: Bool { false }
}
