-- A request a second on each connection, the first ones spread over it.
local first = true
function delay()
  if first then
    return math.random(0, 1000)
  end
  return 1000
end
function response()
  first = false
end
