// Every model keeps the limits of its validation.

import ModelChecking
import Testing

@Test(arguments: Validation.all.map(\.name)) func keepsItsLimit(_ name: String) throws {
  let validation = try #require(Validation.named(name).first)
  #expect(validation.holds, "\(validation.text)")
}

@Test func aLimitCanBeMissed() {
  let rows = [Validation.Row("a", reference: 2, model: 2.1), .init("b", reference: 2, model: 2)]
  func validation(_ limit: Validation.Limit) -> Validation {
    Validation("x", title: "", source: "", unit: "", limit: limit, rows: rows)
  }
  #expect(validation(.mean(0.03)).holds)
  #expect(!validation(.mean(0.02)).holds)
  #expect(validation(.each(0.06)).holds)
  #expect(!validation(.each(0.04)).holds)
  #expect(!validation(.interval).holds, "no tolerance is none")
}
