-- One thread: the numbers are those of all requests. Times are printed in microseconds.
local number = 0
local file = io.open(os.getenv("BODY"))
local body = file:read("a*")
file:close()

function request()
  number = number + 1
  local headers = { ["Content-Type"] = "application/json", ["X-Request-Id"] = number }
  return wrk.format("POST", nil, headers, body)
end

function done(_, latency, _)
  for _, percent in ipairs({ 50, 95, 99, 99.9 }) do
    io.write("percentile ", latency:percentile(percent), "\n")
  end
end
