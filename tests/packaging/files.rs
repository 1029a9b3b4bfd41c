//! What goes into the packages: each file is there, both packages install the same, and scripts are
//! scripts. `packaging/test` installs them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Source and destination of each file of a package.
fn assets(package: &str) -> Vec<(String, String)> {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().expect("TOML");
    let assets = manifest["package"]["metadata"][package]["assets"].as_array().expect("a list");
    let text = |value: &toml::Value| value.as_str().expect("text").trim_matches('/').to_owned();
    let pair = |asset: &toml::Value| match asset.as_array() {
        Some(one) => (text(&one[0]), text(&one[1])),
        None => (text(&asset["source"]), text(&asset["dest"])),
    };
    assets.iter().map(pair).collect()
}

#[test]
fn what_is_packaged_is_there() {
    for (source, to) in [assets("deb"), assets("generate-rpm")].concat() {
        // What is made lies in target/package while a package is built.
        let is_made = source.starts_with("target/package/");
        assert!(is_made || Path::new(ROOT).join(&source).is_file(), "{source}, packaged as {to}");
    }
}

#[test]
fn both_packages_install_the_same() {
    // Debian has its own places for these, and files that its policy asks for.
    let places = ["usr/share/doc/", "usr/share/licenses/", "usr/share/zsh/", "usr/share/lintian/"];
    let installed = |package| -> BTreeSet<_> {
        let all = assets(package).into_iter();
        all.filter(|(_, to)| !places.iter().any(|place| to.starts_with(place))).collect()
    };
    assert_eq!(installed("deb"), installed("generate-rpm"));
    assert!(installed("deb").len() >= 9);
}

#[test]
fn the_maintainer_scripts_are_scripts() {
    let mut read = 0;
    for folder in ["packaging/debian", "packaging/rpm"] {
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let script = ["post", "postinst", "postrm", "postun", "pre", "prerm", "preun"];
            if !script.contains(&name) {
                continue;
            }
            let said = Command::new("sh").arg("-n").arg(&path).output().expect("a shell");
            assert!(said.status.success(), "{}: {said:?}", path.display());
            read += 1;
        }
    }
    assert_eq!(read, 7);
}

#[test]
fn the_settings_of_the_package_are_the_defaults() {
    let text = include_str!("../../packaging/debian/relent.toml");
    let read = relent::config::Config::read(text, Path::new("relent.toml")).expect("it is fine");
    assert_eq!(read, relent::config::Config::default());
}
