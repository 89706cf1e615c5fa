-- Asks the protected endpoint with the keys FIRST to FIRST + COUNT - 1 in turn, and says in one line what came of it:
-- answers, microseconds, errors, and the 99th percentile of a request in microseconds.
local head, at, first, count

function init(args)
  first, count, at = tonumber(args[1]), tonumber(args[2]), 0
  head = "GET /api/example/ HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Token "
end

function request()
  local key = first + at % count
  at = at + 1
  return head .. string.format("%040x", key) .. "\r\n\r\n"
end

function done(summary, latency)
  local errors = summary.errors
  local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\nsaid %d %d %d %d\n", summary.requests, summary.duration, wrong, latency:percentile(99)))
end
