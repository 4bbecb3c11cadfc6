//! Versions, as far as decisions need them.

/// Major and minor version. The patch level never decides anything here.
pub(crate) type Version = (u32, u32);

/// Reads the version that a text begins with: `1.96.0+dfsg1-1~deb12u2` is 1.96.
pub(crate) fn leading(text: &str) -> Option<Version> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_leading_versions() {
        assert_eq!(leading("1.96.0+dfsg1-1~deb12u2"), Some((1, 96)));
        assert_eq!(leading("22"), Some((22, 0)));
        assert_eq!(leading("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(leading("(none)"), None);
        assert_eq!(leading(""), None);
    }
}
