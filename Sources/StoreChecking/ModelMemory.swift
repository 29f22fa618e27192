// Shared memory as a value: what the explorer keeps for every state it visits.

import SharedMemory
import TractStore

/// The device, the caches, what is on its way, and what each process may still read though it has
/// been overwritten. Lines are named by numbers of the `LineBook`.
struct ModelState: Hashable {
  struct Copy: Hashable {
    var index: UInt16
    var line: UInt32
    var isModified: Bool
  }

  struct Write: Hashable {
    var index: UInt16
    var line: UInt32
  }

  var lines: [UInt32]
  /// By host, in order of their index.
  var caches: [[Copy]]
  /// By host, oldest first: writes of a posting fabric.
  var posts: [[Write]]
  /// By process: lines that were overwritten after its last step. The next step may have read them
  /// before: it takes time, and its reads are no snapshot.
  var overwritten: [[Write]]
  /// By process: what is left to write of a step that was interrupted in the middle of a line.
  var tails: [[Write]]
}

/// All lines that occur, by number; 0 is the line of zeros.
final class LineBook {
  private var numbers: [Line64: UInt32] = [Line64(): 0]
  private(set) var lines: [Line64] = [Line64()]

  func number(_ line: Line64) -> UInt32 {
    if let number = numbers[line] { return number }
    let number = UInt32(lines.count)
    numbers[line] = number
    lines.append(line)
    return number
  }
}

/// What memory may do beyond what it must.
public struct ModelOptions: Hashable, Sendable {
  public var isPosted = false
  public var hasLineStore = true
  /// Whether caches keep clean copies until they are flushed; without, none stays after a step. The
  /// two extremes: for code that flushes before every read they are the same.
  public var keepsCopies = false
  /// Whether a line may be seen half written, or later than others of the same batch.
  public var tears = false
  /// Whether a step's reads may be older than the step.
  public var readsEarly = true

  public init() {}
}

/// The memory of the state that is being explored, as one process sees it. Where the hardware has a
/// choice, it asks for the next one, and the explorer tries them all.
final class ModelDevice {
  let geometry: PoolGeometry
  let options: ModelOptions
  let sabotage: Sabotage?
  let book = LineBook()
  var state: ModelState
  var process = 0

  // The choices of the step under way: those to be made again, and how many there were to choose from.
  var choices: [Int] = []
  var alternatives: [Int] = []
  private var next = 0
  /// Whether what the step still writes waits for its tail.
  private var isCut = false

  init(
    _ geometry: PoolGeometry, hosts: Int, processes: Int, _ options: ModelOptions,
    _ sabotage: Sabotage?
  ) {
    self.geometry = geometry
    self.options = options
    self.sabotage = sabotage
    state = ModelState(
      lines: Array(repeating: 0, count: Int(geometry.metadataBytes / Line64.bytes)),
      caches: Array(repeating: [], count: hosts), posts: Array(repeating: [], count: hosts),
      overwritten: Array(repeating: [], count: processes),
      tails: Array(repeating: [], count: processes))
  }

  func beginStep(_ process: Int) {
    self.process = process
    next = 0
    alternatives.removeAll(keepingCapacity: true)
    isCut = false
    finishTail(process)
  }

  func endStep() { state.overwritten[process] = [] }

  /// One of `count`, the first at first.
  private func choose(_ count: Int) -> Int {
    if count == 1 { return 0 }
    defer { next += 1 }
    alternatives.append(count)
    if next < choices.count { return choices[next] }
    choices.append(0)
    return 0
  }

  /// The next combination of choices; false when all have been tried.
  func advanceChoices() -> Bool {
    choices.removeLast(choices.count - min(choices.count, alternatives.count))
    while let last = choices.last {
      if last + 1 < alternatives[choices.count - 1] {
        choices[choices.count - 1] += 1
        return true
      }
      choices.removeLast()
    }
    return false
  }

  // MARK: Lines

  private func place(_ host: Int, _ index: UInt16) -> Int? {
    state.caches[host].firstIndex { $0.index == index }
  }

  private func insert(_ host: Int, _ copy: ModelState.Copy) -> Int {
    let place = state.caches[host].firstIndex { $0.index > copy.index } ?? state.caches[host].count
    state.caches[host].insert(copy, at: place)
    return place
  }

  func load(_ host: Int, _ address: Address) -> UInt64 {
    let index = UInt16(address.offset >> 6)
    let found = place(host, index) ?? fill(host, index)
    return book.lines[Int(state.caches[host][found].line)][Int(address.offset >> 3 & 7)]
  }

  private func fill(_ host: Int, _ index: UInt16) -> Int {
    pushPosts(host, index)
    var candidates = [state.lines[Int(index)]]
    if options.readsEarly, process >= 0 {
      candidates += state.overwritten[process].filter { $0.index == index }.map(\.line)
    }
    let chosen = choose(candidates.count)
    return insert(
      host, ModelState.Copy(index: index, line: candidates[chosen], isModified: false))
  }

  private func pushPosts(_ host: Int, _ index: UInt16) {
    guard state.posts[host].contains(where: { $0.index == index }) else { return }
    for post in state.posts[host] where post.index == index { arrive(post) }
    state.posts[host].removeAll { $0.index == index }
  }

  /// A write reaches the device; processes in the middle of a step may have read the line before.
  private func arrive(_ write: ModelState.Write) {
    let old = state.lines[Int(write.index)]
    guard old != write.line else { return }
    state.lines[Int(write.index)] = write.line
    guard options.readsEarly else { return }
    for other in state.overwritten.indices where other != process {
      let past = ModelState.Write(index: write.index, line: old)
      if !state.overwritten[other].contains(past) { state.overwritten[other].append(past) }
    }
  }

  func store(_ host: Int, _ value: UInt64, _ address: Address) {
    let index = UInt16(address.offset >> 6)
    let found = place(host, index) ?? fill(host, index)
    var line = book.lines[Int(state.caches[host][found].line)]
    line[Int(address.offset >> 3 & 7)] = value
    state.caches[host][found].line = book.number(line)
    state.caches[host][found].isModified = true
  }

  func flush(_ host: Int, _ address: Address) {
    let index = UInt16(address.offset >> 6)
    guard let found = place(host, index) else { return }
    let copy = state.caches[host][found]
    if skipsFlush(address, copy) { return }
    if sabotage != .keepsFlushedLines || copy.isModified {
      state.caches[host].remove(at: found)
      if sabotage == .keepsFlushedLines {
        _ = insert(host, ModelState.Copy(index: index, line: copy.line, isModified: false))
      }
    }
    if copy.isModified { leave(host, ModelState.Write(index: index, line: copy.line)) }
  }

  private func skipsFlush(_ address: Address, _ copy: ModelState.Copy) -> Bool {
    sabotage?.leavesOutFlush(of: geometry.area(of: address), isModified: copy.isModified) ?? false
  }

  func storeLine(_ host: Int, _ line: Line64, _ address: Address) {
    let index = UInt16(address.offset >> 6)
    if let found = place(host, index) { state.caches[host].remove(at: found) }
    if let sabotage, sabotage.keepsStores(to: geometry.area(of: address)) {
      _ = insert(
        host, ModelState.Copy(index: index, line: book.number(line), isModified: true))
      return
    }
    leave(host, ModelState.Write(index: index, line: book.number(line)))
  }

  private func leave(_ host: Int, _ write: ModelState.Write) {
    // What this process reads from here on is not older than what it has written.
    if process >= 0 { state.overwritten[process] = [] }
    if options.isPosted {
      state.posts[host].append(write)
      return
    }
    if process >= 0, !state.tails[process].isEmpty {
      if isCut { state.tails[process].append(write) } else { arrive(write) }
      return
    }
    if options.tears, process >= 0 {
      // The first words, then others may look, then the rest of the line and of the step.
      let cut = [8, 2, 4, 7, 0][choose(5)]
      if cut == 0 {
        // The others of the batch come first.
        state.tails[process] = [write]
        return
      }
      if cut < 8 {
        isCut = true
        var half = book.lines[Int(write.line)]
        let old = book.lines[Int(state.lines[Int(write.index)])]
        for word in cut..<8 { half[word] = old[word] }
        arrive(ModelState.Write(index: write.index, line: book.number(half)))
        state.tails[process] = [write]
        return
      }
    }
    arrive(write)
  }

  /// What comes after a fence comes after all that was before.
  func fence() { if process >= 0, !state.tails[process].isEmpty { isCut = true } }

  private func finishTail(_ process: Int) {
    let tail = state.tails[process]
    state.tails[process] = []
    for write in tail { arrive(write) }
  }

  /// After a step: clean copies go, if they are not to be kept.
  func tidy() {
    guard !options.keepsCopies else { return }
    for host in state.caches.indices { state.caches[host].removeAll { !$0.isModified } }
  }

  // MARK: The adversary

  /// How many things the memory can do of its own accord in this state.
  var movesCount: Int {
    state.posts.reduce(0) { $0 + $1.count }
      + state.caches.reduce(0) { $0 + $1.count { $0.isModified } }
  }

  /// Does one of them; what it was, or nil if it is none.
  func move(_ number: Int) -> String? {
    process = -1
    var number = number
    for host in state.posts.indices {
      guard number >= state.posts[host].count else {
        let post = state.posts[host][number]
        // In order for each line.
        guard state.posts[host][..<number].allSatisfy({ $0.index != post.index }) else {
          return nil
        }
        state.posts[host].remove(at: number)
        arrive(post)
        return "host \(host)'s write of line \(post.index) arrives"
      }
      number -= state.posts[host].count
    }
    for host in state.caches.indices {
      let modified = state.caches[host].indices.filter { state.caches[host][$0].isModified }
      guard number >= modified.count else {
        let copy = state.caches[host].remove(at: modified[number])
        let write = ModelState.Write(index: copy.index, line: copy.line)
        if options.isPosted { state.posts[host].append(write) } else { arrive(write) }
        return "host \(host)'s cache writes line \(copy.index) back"
      }
      number -= modified.count
    }
    return nil
  }

  /// What an agent does on a stopped host: everything it holds is at the device.
  func flushHost(_ host: Int) {
    for copy in state.caches[host] where copy.isModified {
      arrive(ModelState.Write(index: copy.index, line: copy.line))
    }
    state.caches[host] = []
    for post in state.posts[host] { arrive(post) }
    state.posts[host] = []
  }
}

/// A process's view of a `ModelDevice`.
struct ModelMemory: SharedMemory {
  let device: ModelDevice
  let host: Int
  var capabilities: DeviceCapabilities

  init(_ device: ModelDevice, host: Int) {
    self.device = device
    self.host = host
    capabilities = DeviceCapabilities(
      fabric: device.options.isPosted && device.sabotage != .trustsPostedWrites ? .posted : .strong,
      ddio: false, lineStore: device.options.hasLineStore, payload: .dmaOnly)
  }

  mutating func load(_ address: Address) -> UInt64 { device.load(host, address) }
  mutating func store(_ value: UInt64, to address: Address) { device.store(host, value, address) }
  mutating func flush(_ line: Address) { device.flush(host, line) }
  mutating func fence() { device.fence() }
  mutating func storeLine(_ line: Line64, at address: Address) {
    device.storeLine(host, line, address)
  }
}
