//! Accounts and people for the browser to look at: plain ones, and ones whose names are a trial.

use super::*;
use crate::accounts::{Colour, PageChange};
use crate::events::record::Circumstances;
use crate::policy::{Asker, Requested};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

/// A house that is open, and the link of one person.
pub(super) struct Scene {
    pub(super) house: House,
    pub(super) origin: String,
    pub(super) token: String,
}

/// A picture in one colour with a lighter field, so that an eye sees where it is.
fn painted(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8; 4], data: &[u8]| {
        let mut crc = Crc::new();
        crc.update(&[&name[..], data].concat());
        bytes.extend(u32::try_from(data.len()).expect("small").to_be_bytes());
        bytes.extend([&name[..], data].concat());
        bytes.extend(crc.sum().to_be_bytes());
    };
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    chunk(b"IHDR", &head);
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::best());
    for y in 0..height {
        rows.write_all(&[0]).expect("memory");
        for x in 0..width {
            let is_field = (x * 3 / width + y * 3 / height) % 2 == 1;
            let pixel = if is_field { [0x2a, 0x9d, 0x5c] } else { [0x0a, 0x6b, 0x3d] };
            rows.write_all(&pixel).expect("memory");
        }
    }
    chunk(b"IDAT", &rows.finish().expect("memory"));
    chunk(b"IEND", &[]);
    bytes
}

fn evidence(text: &str) -> Evidence {
    Evidence { source: Source::Api, text: text.into(), ip: None, message: None }
}

impl House {
    /// Lifts every stop of the person again.
    pub(super) async fn lift_all(&self) {
        for (scope, reason, _) in self.stops() {
            let subject = Subject::Address(self.ann.clone());
            let evidence = Evidence { source: Source::Operator, ..evidence("") };
            let policy = &self.parts.policy;
            let lifted = policy.lift(self.stream.account, subject, scope, reason, evidence);
            assert!(lifted.await.expect("store"));
        }
    }

    async fn dress(&self, name: &str, colour: &str) {
        let colour: Colour = colour.parse().expect("a colour");
        let change = PageChange {
            display_name: Some(Some(name.into())),
            colour: Some(Some(colour)),
            colour_dark: None,
        };
        self.parts.accounts.change_page("acme", change).await.expect("changed");
    }

    async fn agree(&self, stream: &Stream, text: &str) {
        let at = self.parts.world.clock.now();
        let granted = self.parts.policy.grant(stream, &self.ann, at, evidence(text));
        granted.await.expect("store");
    }

    async fn open(self) -> Scene {
        let origin = format!("http://{}", self.public().await);
        let token = self.token();
        Scene { house: self, origin, token }
    }
}

impl Scene {
    /// An account as most are: a name, a logo, a colour, four streams of every state.
    pub(super) async fn plain() -> Self {
        let house = House::build().await;
        house.dress("Acme Garden Supplies", "#0a6b3d").await;
        let logo = Some(painted(240, 80));
        house.parts.accounts.set_logo("acme", logo, 1 << 20).await.expect("a logo");
        house.agree(&house.stream, "the form on acme.example/join").await;
        let offers = house.stream("weekly-offers", StreamKind::Marketing).await;
        let receipts = house.stream("receipts", StreamKind::Transactional).await;
        let club = house.stream("club", StreamKind::Marketing).await;
        house.submit_on(&offers).await;
        house.submit_on(&receipts).await;
        let at = house.parts.world.clock.now();
        let left = house.parts.policy.withdraw(&club, &house.ann, at, evidence(""));
        left.await.expect("store");
        house.open().await
    }

    /// One where two looks a minute are one too many.
    pub(super) async fn busy() -> Self {
        let mut house = House::build().await;
        let mut config = (*house.parts.config).clone();
        config.http.page_requests_per_minute_max = 1;
        house.parts.config = config.into();
        house.open().await
    }

    /// Names that are long, that are markup, that run from right to left, that are no letters.
    pub(super) async fn odd() -> Self {
        let house = House::build().await;
        let name = "<b>Übergrößenwäscheversandhandelsgesellschaft</b> & Söhne™ 🎉 شركة المثال \
                    للتجارة 有限公司";
        house.dress(name, "#ffee00").await;
        let logo = Some(painted(2_000, 40));
        house.parts.accounts.set_logo("acme", logo, 1 << 20).await.expect("a logo");
        let note = "</bdi><script>alert(1)</script> \u{202e}dlrow ".repeat(9);
        house.agree(&house.stream, &note).await;
        for name in [
            "x".repeat(200),
            "<i onmouseover=alert(1)>offers</i>".into(),
            "🎉🎊🥳".into(),
            "العروض الأسبوعية (١)".into(),
            "a \u{202e}b".into(),
            "\"><script>".into(),
        ] {
            // No verb makes such a stream: it is written as it lies.
            let made = house.stream("odd", StreamKind::Marketing).await;
            house.parts.accounts.remove_stream(made.account, "odd").await.expect("removed");
            let odd = Stream { name, removed: None, ..made };
            house.agree(&odd, "").await;
            let put = house.parts.store.transact(move |t| {
                t.put(&odd.id.0.to_be_bytes(), &odd);
                Ok(Ok::<_, std::convert::Infallible>(()))
            });
            put.await.expect("store").expect("never fails");
        }
        house.open().await
    }

    /// The path of the page that asks whether a stream is wanted.
    pub(super) async fn question(&self, stream: &str) -> String {
        let (parts, account) = (&self.house.parts, self.house.stream.account);
        let stream = parts.accounts.stream(account, stream).expect("the stream");
        let limits = &parts.config.consents;
        let asked = (Asker::Person, evidence("the page"), Circumstances::default());
        let asked = parts.policy.request_consent(&stream, &self.house.ann, asked, limits).await;
        let Requested::Asked { event, at, .. } = asked.expect("store") else {
            unreachable!("nobody may be asked");
        };
        format!("/c/{}", parts.policy.consent_token(event, at, limits).expect("token"))
    }

    /// The token of a stop that is too old to be undone.
    pub(super) fn expired(&self) -> String {
        let token = Token::Undo { event: 1, until: Timestamp(1) };
        self.house.parts.policy.seal(&token).expect("token")
    }
}
