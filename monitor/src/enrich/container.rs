//! Container id from a cgroup path.
//!
//! Every runtime names the cgroup after the container: Docker `/docker/ID` or `docker-ID.scope`, Podman
//! `libpod-ID.scope`, containerd under Kubernetes `cri-containerd-ID.scope` or `/kubepods/…/ID`, CRI-O `crio-ID.scope`.
//! The id is 64 hexadecimal digits in all of them (OCI runtimes take any name; these do not).

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 64;

/// The id of the innermost container that the path names.
pub fn container_id(cgroup: &str) -> Option<&str> {
    cgroup.rsplit('/').find_map(|component| {
        let name = component.strip_suffix(".scope").unwrap_or(component);
        let id = name.rsplit('-').next()?;
        (id.len() == ID_DIGITS && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c0123";

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        assert_eq!(container_id(&path.replace("ID", ID)), expected);
    }

    #[test]
    fn runtimes_name_their_cgroups() {
        check("/docker/ID", Some(ID));
        check("/system.slice/docker-ID.scope", Some(ID));
        check("/machine.slice/libpod-ID.scope/container", Some(ID));
        check("/kubepods.slice/kubepods-pod1f.slice/cri-containerd-ID.scope", Some(ID));
        check("/kubepods/besteffort/pod1f/ID", Some(ID));
    }

    #[test]
    fn services_are_no_containers() {
        check("/", None);
        check("/system.slice/nginx.service", None);
        check("/user.slice/user-1000.slice/session-3.scope", None);
    }
}
