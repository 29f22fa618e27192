// The synthesizer of Dynamo's data generator: random walks over the prefix tree of a trace.

import EventKernel

/// Draws requests that look like those of a trace.
///
/// The algorithm is that of `datagen synthesize` (ai-dynamo, prefix_data_generator): prompts are
/// random walks over the tree of the trace's prefixes, without the tails that occur once, which are
/// drawn from their lengths; times are drawn ticks and gaps. It has no memory of time: what two
/// requests share does not depend on how far apart they come. Draws are this project's own.
public struct PrefixTreeModel {
  /// What is changed against the trace.
  public struct Options: Sendable {
    /// Divides gaps.
    public var speedup = 1.0
    /// Multiplies the lengths of shared parts; above 1 it is rounded up to a whole number.
    public var prefixLengthMultiplier = 1.0
    /// Copies of the tree, of which each request takes one.
    public var rootMultiplier = 1
    /// Multiplies the lengths of unshared tails.
    public var promptLengthMultiplier = 1.0
    public var outputLengthMultiplier = 1.0
    /// Requests beyond these are drawn anew.
    public var inputTokens = 1...WorkloadDecoder.tokenLimit
    /// Answers are cut to these.
    public var outputTokens = 1...WorkloadDecoder.tokenLimit

    public init() {}
  }

  /// A run of blocks that are always together.
  private struct Node {
    var length = 1
    var children: [Int] = []
    /// Requests that came through, end here, or go on with a tail of their own.
    var visits = 0
    var ends = 0
    var tails = 0
    /// First of the node's block ids.
    var base: UInt64 = 0
  }

  private let blockTokens: Int
  /// The first is the root, which has no blocks.
  private var nodes = [Node()]
  private var tailLengths: [Int] = []
  private var remainders: [Int] = []
  private var outputs: [Int] = []
  private var requestsPerTick: [Int] = []
  private var gapSeconds: [Double] = []
  /// Ids of one copy of the tree.
  private var treeIDs: UInt64 = 0
  private let options: Options

  /// Learns the tree of `stream`'s prompts.
  public init(_ stream: RequestStream, _ options: Options = Options()) {
    blockTokens = stream.blockTokens
    self.options = options
    plant(stream)
    pruneTails()
    contract()
    for index in nodes.indices.dropFirst() {
      let scaled = Double(nodes[index].length) * options.prefixLengthMultiplier
      nodes[index].length =
        options.prefixLengthMultiplier > 1
        ? nodes[index].length * Int(options.prefixLengthMultiplier.rounded(.up))
        : max(1, Int(scaled.rounded()))
      nodes[index].base = treeIDs
      treeIDs += UInt64(nodes[index].length)
    }
    var last: SimTime?
    for request in stream.requests {
      remainders.append((request.inputTokens - 1) % blockTokens + 1)
      outputs.append(request.outputTokens)
      if let last, request.arrival == last {
        requestsPerTick[requestsPerTick.count - 1] += 1
      } else {
        if let last { gapSeconds.append((request.arrival - last).seconds) }
        requestsPerTick.append(1)
        last = request.arrival
      }
    }
  }

  /// One node a block.
  private mutating func plant(_ stream: RequestStream) {
    var places: [UInt64: Int] = [:]
    for request in stream.requests {
      var place = 0
      nodes[0].visits += 1
      for id in request.promptIDs {
        let next: Int
        if let known = places[id] {
          next = known
        } else {
          next = nodes.count
          nodes.append(Node())
          places[id] = next
          nodes[place].children.append(next)
        }
        nodes[next].visits += 1
        place = next
      }
      nodes[place].ends += 1
    }
  }

  /// Takes away what only one request visits, and keeps its lengths.
  private mutating func pruneTails() {
    for index in nodes.indices {
      guard index == 0 || nodes[index].visits > 1 else { continue }
      var kept: [Int] = []
      for child in nodes[index].children {
        guard nodes[child].visits == 1 else {
          kept.append(child)
          continue
        }
        var length = 1
        var place = child
        while let next = nodes[place].children.first {
          length += 1
          place = next
        }
        nodes[index].tails += 1
        tailLengths.append(length)
      }
      nodes[index].children = kept
    }
  }

  /// Joins nodes to the only child that all of their visitors go on to.
  private mutating func contract() {
    var whole: [Node] = []
    var open = [(old: 0, new: 0)]
    whole.append(nodes[0])
    while let (old, new) = open.popLast() {
      whole[new].children = []
      for child in nodes[old].children {
        var place = child
        var length = 1
        while nodes[place].ends == 0, nodes[place].tails == 0, nodes[place].children.count == 1 {
          place = nodes[place].children[0]
          length += 1
        }
        var node = nodes[place]
        node.length = length
        whole[new].children.append(whole.count)
        open.append((place, whole.count))
        whole.append(node)
      }
    }
    nodes = whole
  }

  /// `count` requests in the order of their times.
  public func requests(_ count: Int, seed: UInt64) -> RequestStream {
    var random = RandomStream(seed: seed, name: "prefix tree")
    var requests: [OfferedRequest] = []
    requests.reserveCapacity(count)
    var seconds = 0.0
    var fresh = treeIDs * UInt64(options.rootMultiplier)
    // Limits that no walk meets must not be waited for.
    var refused = 0
    while requests.count < count, refused < 1000 * (requests.count + 100) {
      let together = requestsPerTick[random.integer(below: requestsPerTick.count)]
      for _ in 0..<together where requests.count < count {
        var request = walk(&random, &fresh)
        guard options.inputTokens.contains(request.inputTokens) else {
          refused += 1
          continue
        }
        request.arrival = .zero + .seconds(min(seconds, RequestStream.spanLimit))
        requests.append(request)
      }
      guard !gapSeconds.isEmpty else { continue }
      seconds += gapSeconds[random.integer(below: gapSeconds.count)] / options.speedup
    }
    return RequestStream(blockTokens: blockTokens, requests: requests)
  }

  private func walk(_ random: inout RandomStream, _ fresh: inout UInt64) -> OfferedRequest {
    let copy = UInt64(random.integer(below: options.rootMultiplier)) * treeIDs
    var ids: [UInt64] = []
    var place = 0
    var hasTail = false
    walking: while true {
      let node = nodes[place]
      var draw = random.integer(below: node.visits)
      for child in node.children {
        draw -= nodes[child].visits
        guard draw < 0 else { continue }
        place = child
        ids += (0..<UInt64(nodes[child].length)).map { copy + nodes[child].base + $0 }
        continue walking
      }
      hasTail = draw < node.tails
      break
    }
    if hasTail {
      let length = Double(tailLengths[random.integer(below: tailLengths.count)])
      for _ in 0..<max(1, Int((length * options.promptLengthMultiplier).rounded())) {
        ids.append(fresh)
        fresh += 1
      }
    }
    let remainder = hasTail ? remainders[random.integer(below: remainders.count)] : blockTokens
    let output =
      Double(outputs[random.integer(below: outputs.count)]) * options.outputLengthMultiplier
    return OfferedRequest(
      arrival: .zero, inputTokens: (ids.count - 1) * blockTokens + remainder,
      outputTokens: min(
        max(Int(output.rounded()), options.outputTokens.lowerBound),
        options.outputTokens.upperBound),
      promptIDs: ids)
  }
}
