-- Events and lists in turn, of shoppers and items drawn anew each time, or one path alone; for wrk, see benchmarks/live_load.py.
local n = 0
local key = os.getenv("RECOLAB_API_KEY")
local path = os.getenv("RECOLAB_PATH")
local users, items = {}, {}
for line in io.lines(os.getenv("RECOLAB_WALK")) do
  local user, item = line:match("(%S+) (%S+)")
  users[#users + 1], items[#items + 1] = user, item
end

request = function()
  if path ~= "" then
    return wrk.format("GET", path)
  end
  n = n + 1
  local user = users[math.random(#users)]
  if n % 2 == 1 then
    local body = '{"user_id": "' .. user .. '", "item_id": "' .. items[math.random(#items)] .. '", "kind": "view"}'
    return wrk.format("POST", "/events", {["Content-Type"] = "application/json", ["X-API-Key"] = key}, body)
  end
  return wrk.format("GET", "/recommendations?k=10&user_id=" .. user, {["X-API-Key"] = key})
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("FIGURES %d %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency.max, errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
end
