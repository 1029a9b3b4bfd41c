//! Who provides a mailbox, as far as the name of the host that answers for it says so: a few large ones by name, for figures
//! that must have few names.

/// Who may be named; the last stands for everybody else.
pub const PROVIDERS: &[&str] = &[
    "google",
    "microsoft",
    "yahoo",
    "apple",
    "qq",
    "netease",
    "alibaba",
    "gmx",
    "ionos",
    "t_online",
    "mail_ru",
    "yandex",
    "proton",
    "zoho",
    "fastmail",
    "naver",
    "kakao",
    "orange",
    "free",
    "libero",
    "comcast",
    "ovh",
    "mimecast",
    "proofpoint",
    "barracuda",
    OTHER,
];

const OTHER: &str = "other";

/// What the names of a provider's hosts end with.
const ENDINGS: &[(&str, &str)] = &[
    ("google.com", "google"),
    ("googlemail.com", "google"),
    ("outlook.com", "microsoft"),
    ("mx.microsoft", "microsoft"),
    ("hotmail.com", "microsoft"),
    ("yahoodns.net", "yahoo"),
    ("yahoo.co.jp", "yahoo"),
    ("icloud.com", "apple"),
    ("apple.com", "apple"),
    ("qq.com", "qq"),
    ("163.com", "netease"),
    ("126.com", "netease"),
    ("netease.com", "netease"),
    ("ym.163.com", "netease"),
    ("qiye163mx.com", "netease"),
    ("aliyun.com", "alibaba"),
    ("aliyun-inc.com", "alibaba"),
    ("mxhichina.com", "alibaba"),
    ("gmx.net", "gmx"),
    ("gmx.de", "gmx"),
    ("web.de", "gmx"),
    ("kundenserver.de", "ionos"),
    ("1and1.com", "ionos"),
    ("ionos.com", "ionos"),
    ("ionos.de", "ionos"),
    ("ionos.co.uk", "ionos"),
    ("t-online.de", "t_online"),
    ("mail.ru", "mail_ru"),
    ("yandex.ru", "yandex"),
    ("yandex.net", "yandex"),
    ("protonmail.ch", "proton"),
    ("zoho.com", "zoho"),
    ("zoho.eu", "zoho"),
    ("messagingengine.com", "fastmail"),
    ("naver.com", "naver"),
    ("kakao.com", "kakao"),
    ("daum.net", "kakao"),
    ("hanmail.net", "kakao"),
    ("orange.fr", "orange"),
    ("wanadoo.fr", "orange"),
    ("free.fr", "free"),
    ("libero.it", "libero"),
    ("comcast.net", "comcast"),
    ("ovh.net", "ovh"),
    ("mimecast.com", "mimecast"),
    ("pphosted.com", "proofpoint"),
    ("ppe-hosted.com", "proofpoint"),
    ("barracudanetworks.com", "barracuda"),
];

/// Whose host this is: a name as DNS has it, with what a log puts behind it (`mx.example[192.0.2.1]:25`).
#[must_use]
pub fn provider(host: &str) -> &'static str {
    let name = host.split(['[', ':']).next().unwrap_or_default().trim_end_matches('.');
    let name = name.to_ascii_lowercase();
    let fits = |ending: &str| {
        name.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    ENDINGS.iter().find(|(ending, _)| fits(ending)).map_or(OTHER, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_its_providers_and_a_name_alike_is_not() {
        for (host, name) in [
            ("gmail-smtp-in.l.google.com[142.250.1.26]:25", "google"),
            ("Example-com.mail.protection.OUTLOOK.com.", "microsoft"),
            ("mta7.am0.yahoodns.net", "yahoo"),
            ("mx1.qq.com", "qq"),
            ("mx.notgoogle.com", "other"),
            ("google.com.attacker.example", "other"),
            ("mx.reader.example[127.0.0.1]:25", "other"),
            ("[192.0.2.1]:25", "other"),
            ("", "other"),
        ] {
            assert_eq!(provider(host), name, "{host}");
        }
    }

    #[test]
    fn who_is_named_has_hosts() {
        for (_, name) in ENDINGS {
            assert!(PROVIDERS.contains(name), "{name}");
        }
        let has_hosts = |name: &&str| ENDINGS.iter().any(|(_, of)| of == name);
        assert!(PROVIDERS.iter().filter(|name| **name != OTHER).all(has_hosts));
    }
}
