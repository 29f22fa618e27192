// One cache line by value, and the seal by which a reader knows a torn one.

/// The eight words of a 64-byte line: the unit of publication.
///
/// A line read while its writer is half-way may mix old and new words, even where the device itself
/// writes lines whole: the writer's cache may evict between two stores, the reader's between two
/// loads. So the last word carries a *seal*, a sequence number and a checksum of everything else.
/// A seal tells a torn line, never a stale one.
public struct Line64: Hashable, Sendable {
  public var word0: UInt64
  public var word1: UInt64
  public var word2: UInt64
  public var word3: UInt64
  public var word4: UInt64
  public var word5: UInt64
  public var word6: UInt64
  /// Sequence number in the upper half, checksum in the lower, once sealed.
  public var word7: UInt64

  /// Bytes in a line.
  public static var bytes: UInt64 { 64 }
  /// Words that carry content; the last holds the seal.
  public static var contentWords: Int { 7 }

  /// A line of zeros, which is validly sealed: fresh memory reads as lines never written.
  @inlinable public init() { self.init(0, 0, 0, 0, 0, 0, 0, 0) }

  @inlinable public init(
    _ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64,
    _ word4: UInt64, _ word5: UInt64, _ word6: UInt64, _ word7: UInt64
  ) {
    self.word0 = word0
    self.word1 = word1
    self.word2 = word2
    self.word3 = word3
    self.word4 = word4
    self.word5 = word5
    self.word6 = word6
    self.word7 = word7
  }

  /// Word `index`, 0…7.
  @inlinable public subscript(index: Int) -> UInt64 {
    get {
      withUnsafeBytes(of: self) { $0.load(fromByteOffset: Self.offset(index), as: UInt64.self) }
    }
    set {
      withUnsafeMutableBytes(of: &self) {
        $0.storeBytes(of: newValue, toByteOffset: Self.offset(index), as: UInt64.self)
      }
    }
  }

  @inlinable static func offset(_ index: Int) -> Int {
    precondition(index >= 0 && index < 8)
    return 8 * index
  }

  /// The number its writer gave this version of the line.
  @inlinable public var sequence: UInt32 { UInt32(truncatingIfNeeded: word7 >> 32) }

  /// Checksum of words 0…6 and the sequence number.
  ///
  /// Multiply and xor-shift per word, as in MurmurHash64A (Appleby, public domain). Each round is a
  /// bijection of the state and of the word, so two lines that differ in one word always differ in
  /// the 64-bit state; folding to 32 bits misses one torn line in 2³². Zeros give zero.
  @inlinable public var checksum: UInt32 {
    var state = mixed(0, word0)
    state = mixed(state, word1)
    state = mixed(state, word2)
    state = mixed(state, word3)
    state = mixed(state, word4)
    state = mixed(state, word5)
    state = mixed(state, word6)
    state = mixed(state, word7 >> 32)
    return UInt32(truncatingIfNeeded: state ^ (state >> 32))
  }

  /// One round of the checksum.
  @inlinable public func mixed(_ state: UInt64, _ word: UInt64) -> UInt64 {
    let product = (state ^ word) &* 0xC6A4_A793_5BD1_E995
    return product ^ (product >> 47)
  }

  /// The same content with a sequence number and a fitting checksum.
  @inlinable public func sealed(sequence: UInt32) -> Line64 {
    var line = self
    line.word7 = UInt64(sequence) << 32
    line.word7 |= UInt64(line.checksum)
    return line
  }

  /// Whether the checksum fits: the line was read as one writer wrote it.
  ///
  /// Most lines of an index are empty, and need no arithmetic.
  @inlinable public var isSealed: Bool {
    isZero || UInt32(truncatingIfNeeded: word7) == checksum
  }

  /// Whether nothing has been written into the line, or only zeros.
  @inlinable public var isZero: Bool {
    word0 | word1 | word2 | word3 | word4 | word5 | word6 | word7 == 0
  }
}
