// Deadlines that move often: which of many comes first.

/// The earliest of many deadlines, each in a place of its own; ties go by an order given with them.
///
/// Places lie in groups of 32. A deadline that moves costs one comparison with the earliest of its
/// group; a group whose earliest has moved back is looked through when next asked. To ask after a move
/// costs the number of groups.
struct Deadlines {
  /// What stands for no deadline.
  static let never = Int64.max

  private var times: [Int64] = []
  private var orders: [UInt64] = []
  /// The earliest place of each group, -1 if it has to be looked for.
  private var firsts: [Int32] = []
  /// The earliest of all, -1 if it has to be looked for.
  private var first: Int32 = -1

  /// Adds a place without a deadline; places count from 0.
  mutating func addPlace() {
    if times.count & 31 == 0 { firsts.append(-1) }
    times.append(Self.never)
    orders.append(0)
  }

  /// Moves a deadline, picoseconds, or takes it away (`never`).
  mutating func set(_ place: Int, to time: Int64, order: UInt64) {
    let group = place >> 5
    let known = Int(firsts[group])
    if known == place {
      if (time, order) > (times[place], orders[place]) { firsts[group] = -1 }
    } else if known >= 0, (time, order) < (times[known], orders[known]) {
      firsts[group] = Int32(place)
    }
    times[place] = time
    orders[place] = order
    first = -1
  }

  /// The place of the earliest deadline and its time, or nil.
  mutating func earliest() -> (place: Int, time: Int64)? {
    if first < 0 { lookThrough() }
    guard first >= 0, times[Int(first)] != Self.never else { return nil }
    return (Int(first), times[Int(first)])
  }

  private mutating func lookThrough() {
    for group in firsts.indices {
      if firsts[group] < 0 {
        let places = group << 5..<min(group << 5 + 32, times.count)
        firsts[group] = Int32(earlier(places.lowerBound, places))
      }
      let candidate = Int(firsts[group])
      if first < 0
        || (times[candidate], orders[candidate]) < (times[Int(first)], orders[Int(first)])
      {
        first = Int32(candidate)
      }
    }
  }

  private func earlier(_ place: Int, _ others: Range<Int>) -> Int {
    var (best, time, order) = (place, times[place], orders[place])
    for other in others where times[other] <= time {
      if times[other] < time || orders[other] < order {
        (best, time, order) = (other, times[other], orders[other])
      }
    }
    return best
  }
}
