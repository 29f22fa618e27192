// Requests as Mooncake's JSON lines, which AIPerf and Dynamo's replay read.

import EventKernel

/// Writes traces.
public enum TraceWriter {
  /// One line a request: `timestamp` in whole milliseconds, or `delay` after the session's request
  /// before; `input_length`, `output_length`, `hash_ids` numbered as they first occur, and
  /// `session_id` where requests have one.
  ///
  /// Requests that follow others stand after them, so that delays refer to the line above of their
  /// session.
  public static func mooncake(_ stream: RequestStream) -> String {
    var text = ""
    text.reserveCapacity(stream.requests.count * 128)
    var numbers: [UInt64: Int] = [:]
    var sessions: [UInt64: Int] = [:]
    for request in stream.requests {
      text += "{"
      if let session = request.session {
        let number = sessions[session] ?? sessions.count
        sessions[session] = number
        text += "\"session_id\": \"s\(number)\", "
      }
      if request.follows == nil {
        text += "\"timestamp\": \(Int(request.arrival.milliseconds.rounded()))"
      } else {
        text += "\"delay\": \(Int(request.pause.milliseconds.rounded()))"
      }
      text += ", \"input_length\": \(request.inputTokens), "
      text += "\"output_length\": \(request.outputTokens), \"hash_ids\": ["
      for (index, id) in request.promptIDs.enumerated() {
        let number = numbers[id] ?? numbers.count
        numbers[id] = number
        text += index == 0 ? "\(number)" : ", \(number)"
      }
      text += "]}\n"
    }
    return text
  }
}
