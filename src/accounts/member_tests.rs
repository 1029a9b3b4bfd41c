//! Members over a real store: invited, let in, kept out, and never without an owner.

use super::{
    Account, AccountFault, Accounts, By, Claim, Invited, MemberFault, MemberId, Person, Role,
    RulesChange, Seat, Standing,
};
use crate::config::{self, Config, Live, Size};
use crate::mail::{Address, Timestamp};
use crate::store::Store;
use crate::world::{Clock, Turned, World};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PASSWORD: &str = "correct horse battery";
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

struct Rig {
    accounts: Accounts,
    acme: Account,
    clock: Arc<Turned>,
    config: Config,
    store: Store,
    world: World,
    _home: tempfile::TempDir,
}

async fn rig() -> Rig {
    rig_under(Config::default()).await
}

async fn rig_under(config: Config) -> Rig {
    let home = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(Turned(AtomicU64::new(1_795_478_400_000)));
    let world = World { clock: clock.clone(), ..World::real() };
    let store = open(home.path(), &world);
    let accounts = Accounts::new(store.clone(), world.clone()).under(&Live::new(config.clone()));
    let acme = accounts.add_account("acme").await.expect("account");
    Rig { accounts, acme, clock, config, store, world, _home: home }
}

fn open(home: &Path, world: &World) -> Store {
    Store::open(home, &config::Store::default(), world)
}

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@acme.example")).expect("an address")
}

impl Rig {
    fn turn(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).expect("a short time");
        self.clock.0.fetch_add(by, Ordering::SeqCst);
    }

    async fn invite(&self, name: &str, role: Role, by: By) -> Result<Invited, AccountFault> {
        self.accounts.invite(&self.acme, &address(name), role, by).await
    }

    async fn accept(&self, token: &str) -> Result<Person, MemberFault> {
        let accepted = self.accounts.accept(token, ("Somebody", PASSWORD), HOME).await;
        accepted.map(|(person, ..)| person)
    }

    /// A member of acme.
    async fn member(&self, name: &str, role: Role) -> Person {
        let invited = self.invite(name, role, By::Operator).await.expect("invited");
        self.accept(&invited.token).await.expect("accepted")
    }

    async fn log_in(
        &self,
        name: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<(String, Standing), MemberFault> {
        let claim = Claim {
            address: format!("{name}@acme.example"),
            password: password.into(),
            code: code.map(Into::into),
            peer: HOME,
            agent: "a test".into(),
        };
        self.accounts.log_in(claim).await
    }

    async fn is_in(&self, token: &str) -> bool {
        self.accounts.standing(token).await.expect("store").is_some()
    }

    fn seat(&self, standing: &Standing) -> Seat {
        self.accounts.seat(standing, self.acme.id).expect("store")
    }

    async fn set_role(&self, name: &str, role: Role, by: By) -> Result<(), AccountFault> {
        self.accounts.set_role(self.acme.id, &address(name), role, by).await.map(drop)
    }

    async fn remove(&self, name: &str, by: By) -> Result<(), AccountFault> {
        self.accounts.remove_member(self.acme.id, &address(name), by).await
    }
}

#[tokio::test]
async fn an_account_with_members_always_has_an_owner() {
    let rig = rig().await;
    let early = rig.invite("bea", Role::Admin, By::Operator).await.map(drop);
    assert!(matches!(early, Err(AccountFault::Refused(text)) if text.contains("no owner yet")));
    let ann = rig.member("ann", Role::Owner).await;
    let own = By::Member(ann.id, Role::Owner);
    for by in [By::Operator, own] {
        let left = rig.remove("ann", by).await;
        assert!(matches!(left, Err(AccountFault::Refused(text)) if text.contains("last owner")));
        let demoted = rig.set_role("ann", Role::Admin, by).await;
        assert!(matches!(demoted, Err(AccountFault::Refused(text)) if text.contains("last owner")));
    }
    rig.set_role("ann", Role::Owner, own).await.expect("nothing changes");
    let bea = rig.member("bea", Role::Admin).await;
    rig.set_role("bea", Role::Owner, own).await.expect("a second owner");
    rig.remove("ann", own).await.expect("the first may leave");
    let left = rig.remove("bea", By::Member(bea.id, Role::Owner)).await;
    assert!(matches!(left, Err(AccountFault::Refused(_))));
    let listed = rig.accounts.members(rig.acme.id).expect("store");
    assert_eq!(
        listed.iter().map(|(who, at)| (who.id, at.role)).collect::<Vec<_>>(),
        [(bea.id, Role::Owner)]
    );
    // Two owners who demote each other at a time: one is told no.
    rig.member("ann", Role::Owner).await;
    let both = tokio::join!(
        rig.set_role("ann", Role::Viewer, By::Operator),
        rig.set_role("bea", Role::Viewer, By::Operator),
    );
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
}

#[tokio::test]
async fn admins_neither_make_nor_unmake_owners() {
    let rig = rig().await;
    rig.member("ann", Role::Owner).await;
    rig.member("zoe", Role::Owner).await;
    let bea = rig.member("bea", Role::Admin).await;
    let admin = By::Member(bea.id, Role::Admin);
    for refused in [
        rig.invite("col", Role::Owner, admin).await.map(drop),
        rig.set_role("ann", Role::Viewer, admin).await,
        rig.set_role("bea", Role::Owner, admin).await,
        rig.remove("ann", admin).await,
        rig.accounts.begin_reset_of(rig.acme.id, &address("ann"), admin).await.map(drop),
        rig.accounts.remove_totp(rig.acme.id, &address("zoe"), admin).await,
    ] {
        assert!(matches!(refused, Err(AccountFault::Refused(_))), "{refused:?}");
    }
    let invited = rig.invite("col", Role::Owner, By::Operator).await.expect("invited");
    let revoked = rig.accounts.revoke_invitation(rig.acme.id, &invited.key.name(), admin).await;
    assert!(matches!(revoked, Err(AccountFault::Refused(_))));
    rig.invite("dan", Role::Developer, admin).await.expect("invited");
    rig.set_role("bea", Role::Viewer, admin).await.expect("one's own role may be less");
    for role in [Role::Developer, Role::Viewer] {
        let by = By::Member(MemberId(99), role);
        let invited = rig.invite("eve", Role::Viewer, by).await.map(drop);
        assert!(matches!(invited, Err(AccountFault::Refused(_))), "{role:?}");
    }
    rig.remove("bea", By::Member(bea.id, Role::Viewer)).await.expect("anybody may leave");
}

#[tokio::test]
async fn an_invitation_serves_once_for_a_while_and_can_be_taken_back() {
    let rig = rig().await;
    let first = rig.invite("ann", Role::Owner, By::Operator).await.expect("invited");
    let second = rig.invite("Ann", Role::Owner, By::Operator).await.expect("invited again");
    assert!(rig.accept(&first.token).await.is_err(), "the later one holds");
    assert_eq!(rig.accounts.invitations(rig.acme.id).expect("store").len(), 1);
    let weak = rig.accounts.accept(&second.token, ("Ann", "short"), HOME).await;
    assert!(weak.expect_err("too short").to_string().contains("12 to 128"));
    let nameless = rig.accounts.accept(&second.token, (" ", PASSWORD), HOME).await;
    assert!(nameless.is_err());
    let ann = rig.accept(&second.token).await.expect("accepted");
    assert_eq!(
        (ann.name.as_str(), ann.address.to_string()),
        ("Somebody", "Ann@acme.example".into())
    );
    assert!(rig.accept(&second.token).await.is_err(), "twice");
    let again = rig.invite("ann", Role::Admin, By::Operator).await.map(drop);
    assert!(matches!(again, Err(AccountFault::Refused(text)) if text.contains("already")));
    let taken = rig.invite("bea", Role::Viewer, By::Operator).await.expect("invited");
    rig.accounts
        .revoke_invitation(rig.acme.id, &taken.key.name(), By::Operator)
        .await
        .expect("taken back");
    assert!(rig.accept(&taken.token).await.is_err());
    let late = rig.invite("col", Role::Viewer, By::Operator).await.expect("invited");
    rig.turn(rig.config.members.invitation_age_max.0);
    assert!(rig.accept(&late.token).await.is_err(), "too old");
    assert!(rig.accounts.invitations(rig.acme.id).expect("store").is_empty());
    for wrong in ["", "x", &late.token[1..], &late.token.to_uppercase()] {
        assert!(rig.accept(wrong).await.is_err(), "{wrong}");
    }
    // What is kept opens nothing.
    assert!(!format!("{late:?}").is_empty() && rig.accept(&late.key.name()).await.is_err());
}

#[tokio::test]
async fn invitations_and_members_are_bounded() {
    let mut config = Config::default();
    config.members.invitations_per_day_max = 3;
    config.accounts.members_max = 3;
    let rig = rig_under(config).await;
    rig.member("ann", Role::Owner).await;
    rig.invite("bea", Role::Viewer, By::Operator).await.expect("invited");
    rig.invite("col", Role::Viewer, By::Operator).await.expect("invited");
    let told = rig.invite("col", Role::Viewer, By::Operator).await.expect_err("the day's are sent");
    assert!(told.to_string().contains("3 invitations today"), "{told}");
    rig.turn(Duration::from_secs(86_400));
    rig.invite("col", Role::Viewer, By::Operator).await.expect("one in place of another");
    let told = rig.invite("dan", Role::Viewer, By::Operator).await.expect_err("one too many");
    assert!(told.to_string().contains("3 are the most"), "{told}");
}

#[tokio::test]
async fn a_person_may_belong_to_several_accounts() {
    let rig = rig().await;
    rig.member("ann", Role::Owner).await;
    let bea = rig.member("bea", Role::Admin).await;
    let other = rig.accounts.add_account("other").await.expect("account");
    let invite = |role| {
        let (accounts, other) = (rig.accounts.clone(), other.clone());
        async move { accounts.invite(&other, &address("bea"), role, By::Operator).await }
    };
    let invited = invite(Role::Owner).await.expect("invited");
    // Whoever reads the mail is not let in without the password that is known.
    let guessed = rig.accounts.accept(&invited.token, ("Mallory", "another password"), HOME).await;
    assert!(matches!(guessed, Err(MemberFault::Wrong)));
    let joined = rig.accept(&invited.token).await.expect("accepted");
    assert_eq!((joined.id, joined.accounts.len()), (bea.id, 2));
    let (token, standing) = rig.log_in("bea", PASSWORD, None).await.expect("in");
    let seats = |standing: &Standing| {
        [rig.acme.id, other.id].map(|id| rig.accounts.seat(standing, id).expect("store"))
    };
    assert_eq!(seats(&standing), [Seat::Member(Role::Admin), Seat::Member(Role::Owner)]);
    // What an account's owner may do to its members ends at another account.
    let ann = By::Member(MemberId(1), Role::Owner);
    let taken = rig.accounts.remove_totp(rig.acme.id, &address("bea"), ann).await;
    assert!(taken.expect_err("of two accounts").to_string().contains("only the operator"));
    rig.remove("bea", By::Operator).await.expect("removed");
    assert!(rig.is_in(&token).await);
    assert_eq!(seats(&standing), [Seat::None, Seat::Member(Role::Owner)]);
    let gone = rig.accounts.member(rig.acme.id, &address("bea"));
    assert!(matches!(gone, Err(AccountFault::Unknown(_))));
    // Out of all accounts, they are forgotten, and so are their sessions.
    let (accounts, id) = (&rig.accounts, other.id);
    let invited = accounts.invite(&other, &address("col"), Role::Owner, By::Operator).await;
    rig.accept(&invited.expect("invited").token).await.expect("accepted");
    accounts.remove_member(id, &address("bea"), By::Operator).await.expect("removed");
    assert!(!rig.is_in(&token).await);
    assert!(matches!(rig.log_in("bea", PASSWORD, None).await, Err(MemberFault::Wrong)));
}

#[tokio::test]
async fn who_is_let_in_stays_as_long_as_a_session_lasts() {
    let rig = rig().await;
    rig.member("ann", Role::Owner).await;
    for (name, password) in [("ann", "correct horse batterx"), ("nobody", PASSWORD), ("ann", "")] {
        assert!(matches!(rig.log_in(name, password, None).await, Err(MemberFault::Wrong)));
    }
    let (token, standing) = rig.log_in("ANN", "correct horse battery", None).await.expect("in");
    assert!(token.starts_with("rlm_") && token.len() == 4 + 48, "{token}");
    assert_eq!(rig.seat(&standing), Seat::Member(Role::Owner));
    for wrong in
        [&token[..token.len() - 1], &token[4..], "rlm_", "", &token.replace("rlm_", "rlx_")]
    {
        assert!(!rig.is_in(wrong).await, "{wrong}");
    }
    // Used, it lasts; idle, it ends; used all the time, it ends with its day.
    let (idle, age) = (rig.config.members.session_idle_max.0, rig.config.members.session_age_max.0);
    let second = Duration::from_secs(1);
    rig.turn(idle - second);
    assert!(rig.is_in(&token).await);
    rig.turn(idle - second);
    assert!(rig.is_in(&token).await);
    let (other, _) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    rig.turn(idle);
    assert!(!rig.is_in(&token).await && !rig.is_in(&other).await);
    let (token, _) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    let mut lived = Duration::ZERO;
    while rig.is_in(&token).await {
        rig.turn(idle / 2);
        lived += idle / 2;
        assert!(lived <= age);
    }
    assert_eq!(lived, age);
}

#[tokio::test]
async fn sessions_are_listed_bounded_and_ended() {
    let mut config = Config::default();
    config.members.sessions_max = 3;
    let rig = rig_under(config).await;
    let ann = rig.member("ann", Role::Owner).await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(rig.log_in("ann", PASSWORD, None).await.expect("in").0);
        rig.turn(Duration::from_secs(1));
    }
    assert!(!rig.is_in(&tokens[0]).await, "the oldest has ended");
    let listed = rig.accounts.sessions(ann.id).expect("store");
    assert_eq!((listed.len(), listed[0].1.agent.as_str()), (3, "a test"));
    assert!(tokens.iter().all(|token| !token.contains(&listed[0].0.name())));
    let standing = rig.accounts.standing(&tokens[3]).await.expect("store").expect("in");
    let is_seated = |role| rig.accounts.is_seated(&standing, rig.acme.id, role).expect("store");
    assert!(is_seated(Role::Owner) && !is_seated(Role::Admin));
    let named = Some(listed[2].0.name());
    assert_eq!(rig.accounts.end_sessions(ann.id, named.clone(), None).await.expect("ended"), 1);
    assert!(rig.accounts.end_sessions(ann.id, named, None).await.is_err(), "twice");
    assert!(!rig.is_in(&tokens[1]).await && rig.is_in(&tokens[2]).await);
    let but = Some(standing.key);
    assert_eq!(rig.accounts.end_sessions(ann.id, None, but).await.expect("ended"), 1);
    assert!(!rig.is_in(&tokens[2]).await && rig.is_in(&tokens[3]).await);
    // Another member's number with one's own secret is no way in, and names end only one's own.
    let other = rig.member("bea", Role::Viewer).await;
    assert!(rig.accounts.end_sessions(other.id, Some(listed[0].0.name()), None).await.is_err());
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_a_reset_ends_all() {
    let rig = rig().await;
    rig.member("ann", Role::Owner).await;
    let (other, _) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    let (own, standing) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    let change = async |old: &str, new: &str| {
        rig.accounts.change_password(&standing, (old, new), HOME).await
    };
    assert!(matches!(
        change("wrong wrong wrong", "another good one").await,
        Err(MemberFault::Wrong)
    ));
    assert!(matches!(change(PASSWORD, "password1234").await, Err(MemberFault::Change(_))));
    change(PASSWORD, "another good one").await.expect("changed");
    assert!(rig.is_in(&own).await && !rig.is_in(&other).await);
    assert!(matches!(rig.log_in("ann", PASSWORD, None).await, Err(MemberFault::Wrong)));
    rig.log_in("ann", "another good one", None).await.expect("in");

    assert!(rig.accounts.begin_reset(&address("nobody")).await.expect("store").is_none());
    let first = rig.accounts.begin_reset(&address("ann")).await.expect("store").expect("a link");
    let link = rig.accounts.begin_reset(&address("ann")).await.expect("store").expect("a link");
    assert!(rig.accept(&link.token).await.is_err(), "it is no invitation");
    assert!(rig.accounts.reset(&link.token, "short").await.is_err());
    rig.accounts.reset(&link.token, "a third good one").await.expect("set");
    assert!(!rig.is_in(&own).await);
    for used in [&link, &first] {
        assert!(rig.accounts.reset(&used.token, "a fourth good one").await.is_err());
    }
    rig.log_in("ann", "a third good one", None).await.expect("in");
    // Three a day, and an hour each.
    let third = rig.accounts.begin_reset(&address("ann")).await.expect("store").expect("a link");
    assert!(rig.accounts.begin_reset(&address("ann")).await.expect("store").is_none());
    rig.turn(rig.config.members.reset_age_max.0);
    assert!(rig.accounts.reset(&third.token, "a fourth good one").await.is_err());
}

#[tokio::test]
async fn after_many_wrong_codes_only_a_recovery_code_is_taken_for_a_while() {
    let rig = rig().await;
    let ann = rig.member("ann", Role::Owner).await;
    let (_, standing) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    rig.accounts.enrol_totp(&standing).await.expect("begun");
    let code = || {
        let person = rig.accounts.person_by_id(ann.id).expect("store").expect("ann");
        person.totp.expect("an authenticator").code(rig.clock.now())
    };
    let codes = rig.accounts.confirm_totp(&standing, &code()).await.expect("confirmed");
    rig.turn(Duration::from_secs(60));
    // Whoever gives none has guessed nothing.
    assert!(matches!(rig.log_in("ann", PASSWORD, None).await, Err(MemberFault::Wrong)));
    // Each from a network of its own.
    let log_in = |from: u8, code: &str| {
        let claim = Claim {
            address: "ann@acme.example".into(),
            password: PASSWORD.into(),
            code: Some(code.into()),
            peer: [198, 51, 100 + from, 7].into(),
            agent: "a test".into(),
        };
        rig.accounts.log_in(claim)
    };
    for from in 0..10 {
        assert!(matches!(log_in(from, "wrong").await, Err(MemberFault::Wrong)), "{from}");
    }
    assert!(matches!(log_in(20, &code()).await, Err(MemberFault::Codes(_))));
    log_in(21, &codes[3]).await.expect("in by a recovery code");
    log_in(22, &code()).await.expect("which has cleared the count");
    for from in 0..10 {
        assert!(matches!(log_in(30 + from, "wrong").await, Err(MemberFault::Wrong)), "{from}");
    }
    rig.turn(Duration::from_secs(3599));
    assert!(matches!(log_in(40, &code()).await, Err(MemberFault::Codes(_))));
    rig.turn(Duration::from_secs(31));
    log_in(41, &code()).await.expect("in after an hour");
}

#[tokio::test]
async fn an_authenticator_is_asked_for_once_it_has_shown_a_code() {
    let rig = rig().await;
    let ann = rig.member("ann", Role::Owner).await;
    let (token, standing) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    let (secret, uri) = rig.accounts.enrol_totp(&standing).await.expect("begun");
    assert!(uri.contains(&secret) && uri.contains("ann@acme.example"), "{uri}");
    rig.log_in("ann", PASSWORD, None).await.expect("no code is asked for yet");
    let code = || {
        let person = rig.accounts.person_by_id(ann.id).expect("store").expect("ann");
        person.totp.expect("an authenticator").code(rig.clock.now())
    };
    // A code that is not right by chance, in this step or the ones beside it.
    let wrong_code = || {
        let person = rig.accounts.person_by_id(ann.id).expect("store").expect("ann");
        let (totp, now) = (person.totp.expect("an authenticator"), rig.clock.now().0);
        let right = [now - 30_000, now, now + 30_000].map(|at| totp.code(Timestamp(at)));
        let mut all = ["000000", "111111", "222222", "333333"].into_iter();
        all.find(|code| right.iter().all(|one| one != code)).expect("three are right at most")
    };
    assert!(matches!(
        rig.accounts.confirm_totp(&standing, wrong_code()).await,
        Err(MemberFault::Wrong)
    ));
    let codes = rig.accounts.confirm_totp(&standing, &code()).await.expect("confirmed");
    assert_eq!(codes.len(), 10);
    assert!(rig.accounts.enrol_totp(&standing).await.is_err(), "there is one");
    assert!(rig.is_in(&token).await);
    let wrong = |fault: Result<_, MemberFault>| matches!(fault, Err(MemberFault::Wrong));
    assert!(wrong(rig.log_in("ann", PASSWORD, None).await), "none");
    assert!(wrong(rig.log_in("ann", PASSWORD, Some(&code())).await), "taken already");
    rig.turn(Duration::from_secs(30));
    let this = code();
    assert!(wrong(rig.log_in("ann", "wrong wrong wrong", Some(&this)).await));
    rig.log_in("ann", PASSWORD, Some(&this)).await.expect("in");
    assert!(wrong(rig.log_in("ann", PASSWORD, Some(&this)).await), "twice");
    rig.log_in("ann", PASSWORD, Some(&codes[4])).await.expect("in by a recovery code");
    assert!(wrong(rig.log_in("ann", PASSWORD, Some(&codes[4])).await), "twice");
    // A reset does not get around it.
    let link = rig.accounts.begin_reset(&address("ann")).await.expect("store").expect("a link");
    rig.accounts.reset(&link.token, "another good one").await.expect("set");
    rig.turn(Duration::from_secs(3600));
    assert!(wrong(rig.log_in("ann", "another good one", None).await));
    let (_, standing) = rig.log_in("ann", "another good one", Some(&code())).await.expect("in");
    let drop = async |password: &str, code: &str| {
        rig.accounts.drop_totp(&standing, (password, code.to_owned()), HOME).await
    };
    assert!(wrong(drop("another good one", wrong_code()).await.map(|()| unreachable())));
    let required = |on| RulesChange { totp_required: Some(on), ..RulesChange::default() };
    rig.accounts.set_limits("acme", required(true)).await.expect("set");
    assert!(matches!(drop("another good one", &codes[5]).await, Err(MemberFault::Change(_))));
    rig.accounts.set_limits("acme", required(false)).await.expect("set");
    drop("another good one", &codes[5]).await.expect("taken away");
    rig.log_in("ann", "another good one", None).await.expect("in");
    assert!(!format!("{:?}", rig.accounts.person_by_id(ann.id)).contains('['));
}

fn unreachable() -> (String, Standing) {
    unreachable!("a wrong code took an authenticator away")
}

#[tokio::test]
async fn an_account_that_demands_an_authenticator_is_closed_without_one() {
    let rig = rig().await;
    let ann = rig.member("ann", Role::Owner).await;
    let demands = RulesChange { totp_required: Some(true), ..RulesChange::default() };
    rig.accounts.set_limits("acme", demands).await.expect("set");
    let (token, standing) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    assert_eq!(rig.seat(&standing), Seat::NeedsTotp);
    rig.accounts.enrol_totp(&standing).await.expect("begun");
    let kept = rig.accounts.person_by_id(ann.id).expect("store").expect("ann");
    let code = kept.totp.expect("an authenticator").code(rig.clock.now());
    rig.accounts.confirm_totp(&standing, &code).await.expect("confirmed");
    let standing = rig.accounts.standing(&token).await.expect("store").expect("in");
    assert_eq!(rig.seat(&standing), Seat::Member(Role::Owner));
    // Who has lost it: an owner, or the operator, takes it away, and all sessions end.
    rig.accounts.remove_totp(rig.acme.id, &address("ann"), By::Operator).await.expect("taken");
    assert!(!rig.is_in(&token).await);
}

#[tokio::test]
async fn what_is_sensitive_needs_a_proof_that_is_fresh() {
    let rig = rig().await;
    rig.member("ann", Role::Owner).await;
    let (token, standing) = rig.log_in("ann", PASSWORD, None).await.expect("in");
    rig.accounts.fresh(&standing).expect("just now");
    rig.turn(rig.config.members.step_up_age_max.0 + Duration::from_secs(1));
    assert!(matches!(rig.accounts.fresh(&standing), Err(MemberFault::Stale)));
    assert!(matches!(rig.accounts.enrol_totp(&standing).await, Err(MemberFault::Stale)));
    let wrong = rig.accounts.prove(&standing, "wrong wrong wrong", None, HOME).await;
    assert!(matches!(wrong, Err(MemberFault::Wrong)));
    rig.accounts.prove(&standing, PASSWORD, None, HOME).await.expect("proved");
    let standing = rig.accounts.standing(&token).await.expect("store").expect("in");
    rig.accounts.fresh(&standing).expect("just now");
}

#[tokio::test]
async fn guesses_wait_and_the_right_password_from_elsewhere_does_not() {
    let rig = rig().await;
    rig.member("ann", Role::Owner).await;
    for name in ["ann", "nobody"] {
        for _ in 0..5 {
            assert!(matches!(
                rig.log_in(name, "guess guess guess", None).await,
                Err(MemberFault::Wrong)
            ));
        }
        let told = rig.log_in(name, PASSWORD, None).await.expect_err("it waits");
        assert!(
            matches!(told, MemberFault::Wait(wait) if wait == Duration::from_secs(1)),
            "{told}"
        );
    }
    let claim = Claim {
        address: "ann@acme.example".into(),
        password: PASSWORD.into(),
        code: None,
        peer: IpAddr::from([198, 51, 100, 7]),
        agent: String::new(),
    };
    rig.accounts.log_in(claim).await.expect("in from elsewhere");
    rig.turn(Duration::from_secs(1));
    rig.log_in("ann", PASSWORD, None).await.expect("in after the wait");
}

#[tokio::test]
async fn a_login_strengthens_a_hash_that_was_made_for_less() {
    let rig = rig().await;
    let ann = rig.member("ann", Role::Owner).await;
    let mut config = Config::default();
    config.members.password_memory = Size::megabytes(24);
    let demanding =
        Accounts::new(rig.store.clone(), rig.world.clone()).under(&Live::new(config.clone()));
    let kept = || rig.accounts.person_by_id(ann.id).expect("store").expect("ann").password;
    let before = kept();
    let claim = |password: &str| Claim {
        address: "ann@acme.example".into(),
        password: password.into(),
        code: None,
        peer: HOME,
        agent: String::new(),
    };
    demanding.log_in(claim("wrong wrong wrong")).await.expect_err("wrong");
    assert_eq!(kept(), before);
    demanding.log_in(claim(PASSWORD)).await.expect("in");
    assert_ne!(kept(), before);
    let after = kept();
    demanding.log_in(claim(PASSWORD)).await.expect("in");
    assert_eq!(kept(), after, "once");
    rig.log_in("ann", PASSWORD, None).await.expect("in where less is demanded");
}

/// The greatest distance between the distributions of two samples of one size (Kolmogorov-Smirnov).
fn distance(one: &mut [Duration], other: &mut [Duration]) -> f64 {
    one.sort_unstable();
    other.sort_unstable();
    let (mut i, mut j, mut most) = (0_usize, 0_usize, 0_usize);
    while i < one.len() && j < other.len() {
        if one[i] <= other[j] {
            i += 1;
        } else {
            j += 1;
        }
        most = most.max(i.abs_diff(j));
    }
    most as f64 / one.len() as f64
}

/// Past this two samples of so many would differ once in a hundred runs though they came from one source:
/// c(0.01) * sqrt(2 / n). A busy machine makes more; not five in a row.
#[tokio::test]
async fn a_login_takes_as_long_for_a_name_that_nobody_has() {
    const TRIES: u32 = 60;
    let distance_max = 1.63 * (2.0 / f64::from(TRIES)).sqrt();
    let mut config = Config::default();
    config.members.failures_max = u32::MAX;
    config.members.failures_per_address_max = u32::MAX;
    config.members.failures_per_member_max = u32::MAX;
    let rig = rig_under(config).await;
    rig.member("ann", Role::Owner).await;
    let mut distances = Vec::new();
    for _ in 0..5 {
        let mut times = [Vec::new(), Vec::new()];
        for turn in 0..TRIES {
            for is_known in [turn % 2 == 0, turn % 2 == 1] {
                let begun = std::time::Instant::now();
                let name = if is_known { "ann" } else { "amy" };
                let refused = rig.log_in(name, "wrong wrong wrong", None).await;
                assert!(matches!(refused, Err(MemberFault::Wrong)));
                times[usize::from(is_known)].push(begun.elapsed());
            }
        }
        let [of_unknown, of_known] = &mut times;
        let far = distance(of_known, of_unknown);
        if far < distance_max {
            return;
        }
        distances.push(far);
    }
    unreachable!("a known name can be told by its time: {distances:?}");
}
