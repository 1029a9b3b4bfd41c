//! Recipients' pages in real Chromium: every page in light and dark, on a desk and on a phone, from left
//! and from right, judged by axe-core (WCAG 2.2 AA and its best practices) and by our own eyes: pictures
//! lie in `target/pages`. `tests/run` installs both; where one is missing, the test says `NOT TESTED`.

#![allow(clippy::print_stderr, reason = "a test that was not run says so")]

mod driver;
mod scene;

use super::*;
use driver::Driver;
use scene::Scene;
use std::path::PathBuf;

const SCHEMES: [&str; 2] = ["light", "dark"];
/// A desk, and the narrowest phone that must do without scrolling sideways (WCAG 2.2, 1.4.10).
const WINDOWS: [(&str, u32, u32); 2] = [("desk", 1280, 900), ("phone", 320, 640)];

/// What is wrong with a page by axe, and what it could not tell of contrast.
const JUDGE: &str = "
    const said = arguments[arguments.length - 1];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    axe.run(document, { runOnly: { type: 'tag', values: tags } }).then((found) => {
        const short = (rule) => rule.id + ': ' + rule.nodes.map((node) =>
            node.html + ' ' + node.failureSummary).join(' | ');
        const unsure = found.incomplete.filter((rule) => rule.id === 'color-contrast');
        said({ wrong: found.violations.map(short), unsure: unsure.map(short),
               passed: found.passes.length });
    }, (fault) => said({ wrong: [String(fault)], unsure: [], passed: 0 }));";

fn target() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))
}

/// A browser and a judge.
struct Look {
    driver: Driver,
    axe: String,
    pages: PathBuf,
    origin: String,
}

impl Look {
    async fn start(origin: String) -> Option<Self> {
        let axe = target().join("axe/node_modules/axe-core/axe.min.js");
        let Ok(axe) = std::fs::read_to_string(axe) else {
            eprintln!("NOT TESTED: axe-core is not in target/axe; tests/run fetches it");
            return None;
        };
        let Some(driver) = Driver::start().await else {
            eprintln!("NOT TESTED: there is no chromedriver; tests/run installs it");
            return None;
        };
        let pages = target().join("pages");
        std::fs::create_dir_all(&pages).expect("a folder for pictures");
        Some(Self { driver, axe, pages, origin })
    }

    async fn open(&self, path: &str) {
        self.driver.open(&format!("{}{path}", self.origin)).await;
    }

    /// Judges the page that is open, in both colours and both sizes.
    async fn judge(&self, name: &str) {
        for scheme in SCHEMES {
            for (window, width, height) in WINDOWS {
                let name = format!("{name}-{scheme}-{window}");
                self.see_in(scheme, (width, height)).await;
                self.judge_once(&name).await;
                self.keep(&name, scheme, width).await;
            }
        }
    }

    async fn see_in(&self, scheme: &str, (width, height): (u32, u32)) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.driver.order("Emulation.setEmulatedMedia", &json!({ "features": features })).await;
        let window =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.driver.order("Emulation.setDeviceMetricsOverride", &window).await;
    }

    /// Keeps a picture of the whole page: in a window as high as that is, since a picture that is taken
    /// past the window shows pages from right to left beside their place.
    async fn keep(&self, name: &str, scheme: &str, width: u32) {
        let height = self.driver.run("return document.documentElement.scrollHeight").await;
        let height = height.as_u64().and_then(|height| u32::try_from(height).ok());
        self.see_in(scheme, (width, height.expect("a height"))).await;
        let file = self.pages.join(format!("{name}.png"));
        std::fs::write(file, self.driver.picture().await).expect("written");
    }

    async fn judge_once(&self, name: &str) {
        let (driver, axe) = (&self.driver, &self.axe);
        driver.run(&format!("if (!window.axe) {{ {axe}; window.axe = axe; }}")).await;
        let found = driver.run_until_said(JUDGE).await;
        let nothing = json!([]);
        assert_eq!(found["wrong"], nothing, "{name}: {found:#}");
        assert_eq!(found["unsure"], nothing, "{name}: {found:#}");
        assert!(found["passed"].as_u64().is_some_and(|count| count > 10), "{name}: {found:#}");
        let sideways = "
            return [document.documentElement.scrollWidth > innerWidth ? 'the page' : null].concat(
                [...document.body.querySelectorAll('*')].map((one) => {
                    const box = one.getBoundingClientRect();
                    return box.left < -1 || box.right > innerWidth + 1 ? one.outerHTML : null;
                })).filter((one) => one)";
        assert_eq!(driver.run(sideways).await, nothing, "{name} is wider than its window");
        assert_eq!(driver.run("return document.scripts.length").await, json!(0), "{name}");
        let from = "return performance.getEntriesByType('resource').map((entry) => entry.name)";
        let loaded = driver.run(from).await;
        for url in loaded.as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(url.starts_with(&self.origin), "{name} loads {url}");
        }
        let refused: Vec<_> = driver.console().await;
        let is_ours = |line: &&String| !line.contains("status of") && !line.contains("favicon");
        let refused: Vec<_> = refused.iter().filter(is_ours).collect();
        assert!(refused.is_empty(), "{name}: {refused:?}");
        let broken = "return [...document.images].filter((image) => !image.naturalWidth).length";
        assert_eq!(driver.run(broken).await, json!(0), "{name} has a picture that is not shown");
    }

    /// Goes through all that can be focused by keyboard: each shows it.
    async fn judge_focus(&self, name: &str, least: usize) {
        let ring = "
            const here = document.activeElement, style = getComputedStyle(here);
            return here === document.body ? null : here.outerHTML.slice(0, 80) + ' ' +
                (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);";
        let mut seen = Vec::new();
        for _ in 0..60 {
            self.driver.tab().await;
            let Some(said) = self.driver.run(ring).await.as_str().map(str::to_owned) else { break };
            assert!(said.ends_with(" true"), "{name}: no ring around {said}");
            seen.push(said);
        }
        assert!(seen.len() >= least, "{name}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_can_be_read_by_everybody() {
    let scene = Scene::plain().await;
    let Some(look) = Look::start(scene.origin.clone()).await else { return };
    for tag in ["en", "ar"] {
        let lang = format!("lang={tag}");
        let first = format!("/u/{}?{lang}", scene.token);
        look.open(&first).await;
        look.judge(&format!("ask-{tag}")).await;
        look.judge_focus("ask", 4).await;
        look.driver.follow("main > p > a").await;
        look.judge(&format!("choices-{tag}")).await;
        look.judge_focus("choices", 4).await;
        look.driver.follow("button[value='again club']").await;
        look.judge(&format!("again-{tag}")).await;
        let question = scene.question("club").await;
        look.open(&format!("{question}?{lang}")).await;
        look.judge(&format!("question-{tag}")).await;
        look.open(&format!("/u/{}/preferences?{lang}", scene.token)).await;
        look.driver.press("input[type=checkbox]").await;
        look.driver.follow("button[value=save]").await;
        assert_eq!(scene.house.stops().len(), 1, "the box was cleared in {tag}");
        look.judge(&format!("saved-{tag}")).await;
        look.driver.follow("button[value=undo]").await;
        assert_eq!(scene.house.stops(), [], "it was undone in {tag}");
        look.open(&first).await;
        look.driver.follow("button[value=stream]").await;
        assert_eq!(scene.house.stops().len(), 1);
        look.judge(&format!("stopped-{tag}")).await;
        // The page of the undo token says it in another language.
        look.driver.follow("footer a[hreflang=he]").await;
        look.judge(&format!("undo-he-from-{tag}")).await;
        look.driver.follow(&format!("footer a[hreflang={tag}]")).await;
        look.judge(&format!("undo-{tag}")).await;
        look.driver.follow("button[value=undo]").await;
        assert_eq!(scene.house.stops(), []);
        look.judge(&format!("undone-{tag}")).await;
        look.open(&first).await;
        look.driver.follow("button[value=account]").await;
        look.judge(&format!("stopped-all-{tag}")).await;
        look.open(&first).await;
        look.judge(&format!("ask-after-{tag}")).await;
        scene.house.lift_all().await;
        look.open(&format!("/u/{}?{lang}", scene.expired())).await;
        look.judge(&format!("gone-{tag}")).await;
        look.open(&format!("/u/nothing?{lang}")).await;
        look.judge(&format!("invalid-{tag}")).await;
        look.open(&first).await;
        look.driver.run("document.querySelector('button').value = 'x'").await;
        look.driver.follow("button").await;
        look.judge(&format!("misread-{tag}")).await;
    }
    let question = scene.question("club").await;
    look.open(&format!("{question}?lang=en")).await;
    look.driver.follow("button[value=confirm]").await;
    look.judge("confirmed-en").await;
    // With scripts off, as in many a mail program.
    let off = json!({ "value": true });
    look.driver.order("Emulation.setScriptExecutionDisabled", &off).await;
    look.open(&format!("/u/{}?lang=en", scene.token)).await;
    look.driver.press("button[value=stream]").await;
    look.driver.until_titled("You are unsubscribed").await;
    assert_eq!(scene.house.stops().len(), 1);
    look.driver.press("button[value=undo]").await;
    look.driver.until_titled("Undone").await;
    assert_eq!(scene.house.stops(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_amiss_can_be_read_by_everybody_too() {
    let scene = Scene::plain().await;
    let busy = Scene::busy().await;
    let Some(look) = Look::start(scene.origin.clone()).await else { return };
    let named = json!({ "headers": { "X-Forwarded-For": "192.0.2.9" } });
    look.driver.order("Network.enable", &json!({})).await;
    look.driver.order("Network.setExtraHTTPHeaders", &named).await;
    scene.house.damage().await;
    for tag in ["en", "ar"] {
        look.open(&format!("/u/{}?lang={tag}", scene.token)).await;
        look.judge(&format!("not-now-{tag}")).await;
    }
    let look = Look { origin: busy.origin.clone(), ..look };
    for tag in ["en", "ar"] {
        let path = format!("/u/{}?lang={tag}", busy.token);
        let expected =
            if tag == "en" { "Too many requests" } else { "طلبات كثيرة جدًا" };
        // A minute may end between two looks, and then one more is let in.
        let mut title = Value::Null;
        for _ in 0..5 {
            look.open(&path).await;
            title = look.driver.run("return document.title").await;
            if title == json!(expected) {
                break;
            }
        }
        assert_eq!(title, json!(expected));
        look.judge(&format!("many-{tag}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_name_holds_the_page_holds() {
    let scene = Scene::odd().await;
    let Some(look) = Look::start(scene.origin.clone()).await else { return };
    for tag in ["en", "ar"] {
        let path = format!("/u/{}", scene.token);
        look.open(&format!("{path}?lang={tag}")).await;
        look.judge(&format!("odd-ask-{tag}")).await;
        let alerts = look.driver.run("return document.querySelectorAll('main b, main i').length");
        assert_eq!(alerts.await, json!(0), "a name is text");
        look.open(&format!("{path}/preferences?lang={tag}")).await;
        look.judge(&format!("odd-choices-{tag}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_fits_a_phone() {
    let scene = Scene::plain().await;
    let Some(look) = Look::start(scene.origin.clone()).await else { return };
    let tags = crate::replies::languages().chain(["ar", "he"]);
    for (tag, scheme) in tags.zip(SCHEMES.into_iter().cycle()) {
        for (page, path) in [("ask", ""), ("choices", "/preferences")] {
            look.see_in(scheme, (320, 640)).await;
            look.open(&format!("/u/{}{path}?lang={tag}", scene.token)).await;
            let name = format!("{page}-phone-{tag}");
            look.judge_once(&name).await;
            let here = look.driver.run("return document.documentElement.lang").await;
            assert_eq!(here, json!(tag));
            look.keep(&name, scheme, 320).await;
        }
    }
}
