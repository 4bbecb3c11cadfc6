-- Ten mebibytes up.
wrk.method = "POST"
wrk.body = string.rep("u", 10 * 1024 * 1024)
