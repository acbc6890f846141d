//! Why this host refuses namespaces, and the line that allows them.

use std::path::Path;

/// One command or sentence for the person at the host. Looks at `sysctl` (normally `/proc/sys`).
pub fn how_to_allow(sysctl: &Path) -> String {
    let value = |name: &str| {
        let text = std::fs::read_to_string(sysctl.join(name)).ok()?;
        text.trim().parse::<i64>().ok()
    };
    if value("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0".to_owned();
    }
    if value("kernel/unprivileged_userns_clone") == Some(0) {
        return "sudo sysctl kernel.unprivileged_userns_clone=1".to_owned();
    }
    if value("user/max_user_namespaces") == Some(0) {
        return "sudo sysctl user.max_user_namespaces=15000".to_owned();
    }
    "run outside a container, or let the container make user namespaces".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, value: &str) -> String {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("parent")).expect("folder");
        std::fs::write(file, value).expect("value");
        how_to_allow(folder.path())
    }

    #[test]
    fn each_known_refusal_has_its_command() {
        let apparmor = host("kernel/apparmor_restrict_unprivileged_userns", "1\n");
        assert_eq!(apparmor, "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0");
        let debian = host("kernel/unprivileged_userns_clone", "0\n");
        assert_eq!(debian, "sudo sysctl kernel.unprivileged_userns_clone=1");
        let count = host("user/max_user_namespaces", "0\n");
        assert_eq!(count, "sudo sysctl user.max_user_namespaces=15000");
        assert!(host("user/max_user_namespaces", "9\n").contains("container"));
    }
}
