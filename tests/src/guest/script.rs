//! What the guest does, in the words of busybox's shell.

/// Bytes of the small file that is served.
pub const SMALL: usize = 1_234;
/// Of the large one: more than any snap.
pub const LARGE: usize = 300_000;
/// Requests for the small one.
pub const SMALL_REQUESTS: usize = 5;
/// Where nobody answers: documentation addresses (RFC 5737).
pub const ELSEWHERE: &str = "203.0.113.9";
/// A block of output begins with this and its name, and ends with the next.
pub const MARK: &str = "== guest: ";

/// The first process.
pub fn init() -> String {
    format!(
        r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
# Nothing but what is asked for on the console.
echo 1 > /proc/sys/kernel/printk
ip link set lo up
# What goes there leaves its socket and arrives nowhere.
ip route add 203.0.113.0/24 dev lo
head -c {SMALL} /dev/zero > /tmp/small
head -c {LARGE} /dev/zero > /tmp/large
mark() {{ echo; echo "{MARK}$1"; }}
mark kernel
uname -r
mark check
monitor check --json
code=$?
mark check-code
echo $code
cat > /tmp/monitor.toml <<END
[learning]
period = "0s"
[budget]
cpu_percent = 100
END
monitor run --config /tmp/monitor.toml --state /tmp/state --records http,flow,alert,stats --output /tmp/records 2> /tmp/log &
daemon=$!
n=0
while ! monitor status > /dev/null 2>&1; do
    n=$((n + 1))
    [ $n -gt 120 ] && break
    kill -0 $daemon || break
    sleep 1
done
httpd -p 127.0.0.1:8080 -h /tmp
mark bodies
n=0
while [ $n -lt {SMALL_REQUESTS} ]; do
    wget -q -O - http://127.0.0.1:8080/small | wc -c
    n=$((n + 1))
done
wget -q -O - http://127.0.0.1:8080/large | wc -c
wget -q -O - http://127.0.0.1:8080/absent | wc -c
nc -w 2 {ELSEWHERE} 443 < /dev/null
sleep 2
kill -INT $daemon
wait $daemon
code=$?
mark run-code
echo $code
mark log
cat /tmp/log
mark records
cat /tmp/records
mark end
poweroff -f
"#
    )
}
