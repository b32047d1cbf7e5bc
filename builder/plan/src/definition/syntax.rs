//! Owns what names, paths and modes look like. Every function judges one text and knows no file.

/// Why `path` cannot be a path in an image, or `None` when it can.
pub(crate) fn absolute_path_problem(path: &str) -> Option<&'static str> {
    let Some(below) = path.strip_prefix('/') else {
        return Some("is not an absolute path");
    };
    if below.is_empty() {
        return Some("is the root directory itself");
    }
    if path.chars().any(char::is_control) {
        return Some("has a control character");
    }
    parts_problem(below)
}

/// Why `path` cannot be a path below a folder, or `None` when it can.
pub(crate) fn relative_path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.starts_with('/') {
        return Some("is an absolute path");
    }
    parts_problem(path)
}

fn parts_problem(path: &str) -> Option<&'static str> {
    if path.split('/').any(|part| part == "..") {
        Some("has a `..` part")
    } else if path.split('/').any(|part| part.is_empty() || part == ".") {
        Some("has an empty or a `.` part")
    } else {
        None
    }
}

/// Permission bits as `0644` or `4755` in octal.
pub(crate) fn parse_mode(text: &str) -> Option<u32> {
    let octal = (3..=5).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    octal
        .then(|| u32::from_str_radix(text, 8).ok())?
        .filter(|mode| *mode <= 0o7777)
}

/// A label of a host name: what names of images, recipes, archives and clusters are made of.
pub(crate) fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A host name of at least two labels.
pub(crate) fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_dns_label)
}

/// A package as apt names it: `name`, `name:arch` or `name/suite`.
pub(crate) fn is_package(text: &str) -> bool {
    let (text, suite) = match text.split_once('/') {
        Some((text, suite)) => (text, Some(suite)),
        None => (text, None),
    };
    let (name, architecture) = match text.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (text, None),
    };
    let starts =
        |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    // apt takes a trailing `-` as "remove".
    name.len() >= 2
        && starts(name)
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'))
        && architecture.is_none_or(is_dns_label)
        && suite.is_none_or(is_suite)
}

/// A suite of an archive, for example `trixie`, `trixie-updates` or `stable/updates`.
pub(crate) fn is_suite(text: &str) -> bool {
    !text.is_empty()
        && text.split('/').all(|part| {
            !matches!(part, "" | "." | "..")
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-+~".contains(&b))
        })
}

/// The suffixes of unit names (systemd.unit(5)).
const UNIT_TYPES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// A unit with its type, for example `ssh.service` or `serial-getty@ttyS0.service`.
pub(crate) fn is_unit(text: &str) -> bool {
    let Some((stem, kind)) = text.rsplit_once('.') else {
        return false;
    };
    text.len() <= 255
        && !stem.is_empty()
        && UNIT_TYPES.contains(&kind)
        && stem.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\' | b'@')
        })
}

/// What `systemctl is-enabled` may print (systemctl(1)).
pub(crate) const UNIT_STATES: [&str; 13] = [
    "enabled",
    "enabled-runtime",
    "linked",
    "linked-runtime",
    "alias",
    "masked",
    "masked-runtime",
    "static",
    "indirect",
    "disabled",
    "generated",
    "transient",
    "not-found",
];

/// A user or group name that Debian's adduser takes.
pub(crate) fn is_account(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// A fingerprint without its spaces, in upper case, when it has 40 hexadecimal digits.
pub(crate) fn parse_fingerprint(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    let right = digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    right.then(|| digits.to_ascii_uppercase())
}

/// Why `url` cannot be fetched, or `None` when it can. Plain http is fine: what comes is signed.
pub(crate) fn url_problem(url: &str) -> Option<&'static str> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return Some("is not an http or https URL");
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("is not a URL")
    } else {
        None
    }
}

/// A region of AWS, for example `eu-west-1` or `us-gov-east-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    match parts.split_last() {
        Some((number, [area, rest @ ..])) => {
            area.len() == 2
                && letters(area)
                && (1..=2).contains(&rest.len())
                && rest.iter().all(|part| letters(part))
                && (1..=2).contains(&number.len())
                && number.bytes().all(|b| b.is_ascii_digit())
        }
        Some((_, [])) | None => false,
    }
}

/// An instance type of EC2, for example `t3.medium` or `m7i-flex.2xlarge`.
pub(crate) fn is_instance_type(text: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split_once('.')
        .is_some_and(|(family, size)| word(family) && word(size))
}

/// The name of an instance profile, as IAM takes it.
pub(crate) fn is_instance_profile(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

/// A secret's name below its cluster's parameters, for example `database/replication`. `image/` is
/// where the pointers to AMIs are.
pub(crate) fn is_secret_name(text: &str) -> bool {
    text.split('/').all(is_dns_label) && text.split('/').count() <= 4 && !text.starts_with("image/")
}

/// `s3://bucket/prefix` as bucket and prefix.
pub(crate) fn parse_s3_url(text: &str) -> Option<(&str, &str)> {
    let (bucket, prefix) = text.strip_prefix("s3://")?.split_once('/')?;
    let bucket_is_right = (3..=63).contains(&bucket.len()) && bucket.split('.').all(is_dns_label);
    let prefix_is_right = relative_path_problem(prefix).is_none()
        && prefix
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-'));
    (bucket_is_right && prefix_is_right).then_some((bucket, prefix))
}

#[cfg(test)]
mod tests {
    use super::{
        absolute_path_problem, is_account, is_dns_label, is_domain, is_instance_profile,
        is_instance_type, is_package, is_region, is_secret_name, is_suite, is_unit,
        parse_fingerprint, parse_mode, parse_s3_url, relative_path_problem, url_problem,
    };

    /// Every text of `right` passes and every one of `wrong` does not.
    fn check(judge: fn(&str) -> bool, right: &[&str], wrong: &[&str]) {
        for text in right {
            assert!(judge(text), "`{text}` should pass");
        }
        for text in wrong {
            assert!(!judge(text), "`{text}` should not pass");
        }
    }

    #[test]
    fn names() {
        check(
            is_dns_label,
            &["a", "base", "firstboot-launch", "x1"],
            &["", "-a", "a-", "A", "a.b", "ä"],
        );
        check(
            is_domain,
            &["example.org", "a.b.c"],
            &["example", "", ".", "a..b", "a.b."],
        );
    }

    #[test]
    fn names_of_a_fleet() {
        check(
            is_instance_profile,
            &["vmimage-node", "A_b+c=d,e.f@g"],
            &["", "a/b", "a b", "ä"],
        );
        check(
            is_secret_name,
            &["grafana-admin", "database/replication"],
            &["", "/a", "a/", "a//b", "A", "image/small", "a/b/c/d/e"],
        );
    }

    #[test]
    fn names_of_debian() {
        check(
            is_package,
            &[
                "apt",
                "g++",
                "libstdc++6",
                "php8.4-fpm",
                "gcc:amd64",
                "systemd/trixie-backports",
            ],
            &[
                "",
                "a",
                "Apt",
                "apt-",
                "-apt",
                "apt install",
                "apt=1",
                "apt:",
                "apt/",
                "apt/..",
                "a/b/c/",
            ],
        );
        check(
            is_suite,
            &["trixie", "stable/updates", "a_b.c", "12~beta+1"],
            &["", "/", "a/", "a b", "../a"],
        );
        check(
            is_unit,
            &[
                "ssh.service",
                "serial-getty@ttyS0.service",
                "apt-daily.timer",
                "a\\x2db.mount",
            ],
            &[
                "",
                "ssh",
                ".service",
                "ssh.servic",
                "a b.service",
                "a/b.service",
            ],
        );
        check(
            is_account,
            &["root", "www-data", "_apt"],
            &["", "0x", "Root", "a:b", "a b"],
        );
    }

    #[test]
    fn names_of_ec2() {
        check(
            is_region,
            &["us-east-1", "ap-southeast-2", "us-gov-east-1"],
            &[
                "",
                "us",
                "us-east",
                "us-east-",
                "us-east-1a",
                "US-east-1",
                "us-1",
                "useast-1",
            ],
        );
        check(
            is_instance_type,
            &["t3.medium", "m7i-flex.2xlarge"],
            &["", "t3", "t3.", ".x", "T3.x"],
        );
        assert_eq!(parse_s3_url("s3://bucket/a/b"), Some(("bucket", "a/b")));
        for wrong in [
            "s3://bucket",
            "s3://bucket/",
            "s3:///a",
            "s3://B/a",
            "https://b/a",
            "s3://bucket/../x",
        ] {
            assert_eq!(parse_s3_url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn paths() {
        for (path, expected) in [
            ("/etc/x", None),
            ("/etc/..x", None),
            ("etc/x", Some("is not an absolute path")),
            ("/", Some("is the root directory itself")),
            ("/etc/../x", Some("has a `..` part")),
            ("/etc//x", Some("has an empty or a `.` part")),
            ("/etc/x/", Some("has an empty or a `.` part")),
            ("/etc/x\n", Some("has a control character")),
        ] {
            assert_eq!(absolute_path_problem(path), expected, "{path:?}");
        }
        for (path, expected) in [
            ("files/x", None),
            ("", Some("is empty")),
            ("/files/x", Some("is an absolute path")),
            ("../x", Some("has a `..` part")),
            ("./x", Some("has an empty or a `.` part")),
        ] {
            assert_eq!(relative_path_problem(path), expected, "{path:?}");
        }
    }

    #[test]
    fn values() {
        for (text, expected) in [
            ("0644", Some(0o644)),
            ("755", Some(0o755)),
            ("4755", Some(0o4755)),
            ("01777", Some(0o1777)),
            ("0o644", None),
            ("0888", None),
            ("+644", None),
            ("64", None),
            ("77777", None),
            ("", None),
        ] {
            assert_eq!(parse_mode(text), expected, "{text}");
        }
        let fingerprint = "B53AE77BADB630A683046005963FA27710458545";
        assert_eq!(
            parse_fingerprint("b53a e77b adb6 30a6 8304  6005 963f a277 1045 8545").as_deref(),
            Some(fingerprint)
        );
        assert_eq!(parse_fingerprint(&fingerprint[8..]), None);
        assert_eq!(parse_fingerprint(&fingerprint.replace('B', "G")), None);
        for (url, expected) in [
            ("http://deb.debian.org/debian", None),
            ("https://apt.grafana.com", None),
            ("ftp://x/y", Some("is not an http or https URL")),
            ("https:///x", Some("is not a URL")),
            ("https://host/a b", Some("is not a URL")),
        ] {
            assert_eq!(url_problem(url), expected, "{url}");
        }
    }
}
