-- A request every ten seconds on each connection, the first ones spread over them.
local first = true
function delay()
  if first then
    return math.random(0, 10000)
  end
  return 10000
end
function response()
  first = false
end
