// The earliest of deadlines that move, against a search through all.

import Testing

@testable import EventKernel

@Test(arguments: UInt64(1)...8, [1, 31, 32, 33, 200]) func earliestDeadline(
  seed: UInt64, places: Int
) {
  var random = RandomStream(seed: seed, name: "deadlines")
  var deadlines = Deadlines()
  for _ in 0..<places { deadlines.addPlace() }
  var all = [(time: Int64, order: UInt64)](repeating: (Deadlines.never, 0), count: places)
  #expect(deadlines.earliest() == nil)
  for order in 1...1000 {
    let place = random.integer(below: places)
    // Few times, so that there are ties; some are taken away.
    let time = random.integer(below: 4) == 0 ? Deadlines.never : Int64(random.integer(below: 20))
    all[place] = (time, UInt64(order))
    deadlines.set(place, to: time, order: UInt64(order))
    guard random.integer(below: 3) > 0 else { continue }
    let first = all.indices.min { all[$0] < all[$1] }!
    let found = deadlines.earliest()
    #expect(found?.time == (all[first].time == Deadlines.never ? nil : all[first].time))
    if let found { #expect(found.place == first, "seed \(seed)") }
  }
}
