// `tract-sim probe`: one component alone.

import ArgumentParser
import EventKernel
import JSONText
import Rack
import Report
import Workload

struct ProbeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "probe", abstract: "Ask one component alone.",
    subcommands: [
      ProbeGPU.self, ProbeFabricCommand.self, ProbeTrace.self, ProbeStoreCommand.self,
      ProbeCXLCommand.self,
    ])
}

enum ProbeFormat: String, CaseIterable, ExpressibleByArgument { case table, json }

struct ProbeGPU: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gpu", abstract: "Step time of a GPU for given tokens, milliseconds.")

  @OptionGroup var replica: ReplicaOptions
  @Option(help: "Pipeline stages.") var pp = 1
  @Flag(help: "Experts stand whole on single ranks.") var ep = false
  @Option(help: "New prompt tokens.") var prefill: Int?
  @Option(help: "Prompt tokens that have KV already.") var cached = 0
  @Option(help: "Sequences of a decode step.") var decodeBatch: Int?
  @Option(help: "Context of each sequence, tokens.") var context = 1024
  @Option(help: "table or json.") var format = ProbeFormat.table

  func run() throws {
    let replica = try replica.resolved(pipelineParallel: pp, expertParallel: ep)
    guard
      let steps = StepTimeModel(
        gpu: replica.gpu, model: replica.model, tensorParallel: replica.tensorParallel,
        weights: replica.weights, kv: replica.kv, pipelineParallel: pp,
        expertParallel: ep)
    else { preconditionFailure("the options have been checked") }
    guard prefill != nil || decodeBatch != nil else {
      throw ValidationError("give --prefill TOKENS or --decode-batch SEQUENCES")
    }
    let limit = 1...100_000_000
    guard limit.contains(prefill ?? 1), limit.contains(decodeBatch ?? 1),
      limit.contains(context), (0...100_000_000).contains(cached)
    else { throw ValidationError("token and sequence counts must be 1 to 100000000") }
    var members: [(key: String, value: JSONNode)] = []
    if let prefill {
      let ms = steps.prefillSeconds(tokens: prefill, cached: cached) * 1e3
      members.append(("prefill_ms", JSONNode(.number(ms))))
    }
    if let decodeBatch {
      let ms =
        steps.decodeSeconds(sequences: decodeBatch, contextTokens: decodeBatch * context) * 1e3
      members.append(("decode_ms", JSONNode(.number(ms))))
    }
    switch format {
    case .json: print(JSONValue.object(members).text(indented: false))
    case .table:
      for (key, value) in members {
        print("\(key)  \(Decimals.text(value.value.double ?? .nan, 4))")
      }
    }
  }
}

struct ProbeFabricCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fabric", abstract: "Completion times of given transfers on a given rack.")

  @Argument(help: "JSON file with rack and flows.") var file: String
  @Option(help: "table or json.") var format = ProbeFormat.json

  func run() throws {
    do {
      let finish = try FabricProbe.finishSeconds(file: file)
      switch format {
      case .json:
        let values = finish.map { ($0.id, JSONNode(.number($0.seconds))) }
        print(JSONValue.object(["finish_s": .object(values)]).text(indented: false))
      case .table: for item in finish { print("\(item.id)  \(Decimals.text(item.seconds, 9)) s") }
      }
    } catch {
      throw Exit.fail(Exit.badInput, error.description)
    }
  }
}
