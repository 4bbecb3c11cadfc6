-- wrk waits so many milliseconds before each request of a connection: 32 connections make some 20,000 requests a second.
function delay()
  return 1
end
