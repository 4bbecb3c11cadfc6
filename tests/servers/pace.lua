-- wrk waits so many milliseconds before each request of a connection: 8 connections make some 4,000 requests a second.
function delay()
  return 2
end
