//! The policy's promises over a real store: precedence as a table, lifting, undoing, and its words.

use super::{Consent, ConsentState, Judgement, Policy, RecipientView, Subject, Suppression, judge};
use crate::accounts::{
    Accounts, ConsentTerm, Stream, StreamAnswers, StreamDraft, StreamKind, StreamRules,
};
use crate::config;
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::{AccountId, Address, RecipientHash, StreamId, Timestamp, Verdict};
use crate::store::{Store, StoreFault};
use crate::world::World;
use std::path::Path;

pub(super) fn evidence(source: Source) -> Evidence {
    Evidence { source, text: "what was said".into(), ip: None, message: None }
}

fn draft(name: &str, kind: StreamKind, consent_required: bool) -> StreamDraft {
    StreamDraft { consent_required: Some(consent_required), ..StreamDraft::named(name, kind) }
}

pub(super) async fn rig(home: &Path) -> (Accounts, Policy, Stream) {
    let world = World::real();
    let store = Store::open(home, &config::Store::default(), &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    let policy = Policy::new(accounts.clone(), store, world, config::Queue::default());
    let account = accounts.add_account("acme").await.expect("account");
    let news = draft("news", StreamKind::Marketing, false);
    let stream = accounts.add_stream(account.id, news).await;
    (accounts, policy, stream.expect("stream"))
}

pub(super) fn someone() -> Address {
    Address::parse("pat@example.com").expect("address")
}

fn him() -> Subject {
    Subject::Address(someone())
}

/// Kinds of streams, scopes of stops and kinds of consent, all against all, judged by the sentences of
/// the design and not by the code under test.
#[test]
fn precedence_is_as_the_design_has_it() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Agreed {
        Never,
        Before,
        AfterByApi,
        AfterBySelf,
    }
    let mut rows = 0;
    for (kind, honour) in [
        (StreamKind::Marketing, false),
        (StreamKind::Transactional, false),
        (StreamKind::Transactional, true),
    ] {
        let stream = Stream {
            id: StreamId(1),
            account: AccountId(1),
            name: "s".into(),
            kind,
            consent_required: false,
            honour_opt_out: honour,
            reply_to: None,
            created: Timestamp(0),
            removed: None,
            rules: StreamRules::default(),
            answers: StreamAnswers::default(),
        };
        for reason in Reason::ALL {
            for scope in [
                Scope::Stream(StreamId(1)),
                Scope::Stream(StreamId(2)),
                Scope::Account,
                Scope::Global,
            ] {
                for agreed in
                    [Agreed::Never, Agreed::Before, Agreed::AfterByApi, Agreed::AfterBySelf]
                {
                    let stop = Suppression {
                        scope,
                        reason,
                        evidence: evidence(Source::Reply),
                        at: Timestamp(0),
                        sequence: 10,
                        site: None,
                    };
                    let (source, sequence) = match agreed {
                        Agreed::Before => (Source::Page, 5),
                        Agreed::AfterByApi => (Source::Api, 15),
                        _ => (Source::Page, 15),
                    };
                    let consent = Consent {
                        stream: StreamId(1),
                        state: ConsentState::Granted,
                        evidence: evidence(source),
                        // Whatever date a source claims: only the commit order counts.
                        at: Timestamp(u64::MAX / 2),
                        sequence,
                        circumstances: None,
                    };
                    let consents: Vec<_> =
                        (agreed != Agreed::Never).then_some(consent).into_iter().collect();
                    // "Global, complaint, hard-bounce and manual stops bind every stream, whatever its
                    // settings. An opt-out of a stream binds that stream; of the account all its
                    // marketing streams, and transactional ones with honour_opt_out."
                    let reaches = scope != Scope::Stream(StreamId(2))
                        && (reason != Reason::OptOut
                            || scope == Scope::Global
                            || kind == StreamKind::Marketing
                            || honour);
                    // "A stop outranks a consent unless the consent is later and the person's own act";
                    // "a person's act lifts only that person's opt_out or complaint, in that account".
                    let outranked = agreed == Agreed::AfterBySelf
                        && scope != Scope::Global
                        && matches!(reason, Reason::OptOut | Reason::Complaint);
                    let expected = if reaches && !outranked {
                        Judgement::Suppressed(stop.clone())
                    } else {
                        Judgement::Clear
                    };
                    assert_eq!(
                        judge(&stream, &[stop], &consents, Timestamp(0)),
                        expected,
                        "{kind:?} honour={honour} {reason} {scope:?} {agreed:?}"
                    );
                    rows += 1;
                }
            }
        }
    }
    assert_eq!(rows, 3 * 4 * 4 * 4);
}

#[test]
fn a_marketing_stream_needs_a_consent_that_holds() {
    let stream = Stream {
        id: StreamId(1),
        account: AccountId(1),
        name: "s".into(),
        kind: StreamKind::Marketing,
        consent_required: true,
        honour_opt_out: false,
        reply_to: None,
        created: Timestamp(0),
        removed: None,
        rules: StreamRules::default(),
        answers: StreamAnswers::default(),
    };
    let consent = |state| Consent {
        stream: StreamId(1),
        state,
        evidence: evidence(Source::Api),
        at: Timestamp(0),
        sequence: 1,
        circumstances: None,
    };
    assert_eq!(judge(&stream, &[], &[], Timestamp(0)), Judgement::Unconsented(None));
    for state in [ConsentState::Pending, ConsentState::Withdrawn, ConsentState::Expired] {
        let judgement = judge(&stream, &[], &[consent(state)], Timestamp(0));
        assert_eq!(judgement, Judgement::Unconsented(Some(consent(state))));
    }
    let granted = consent(ConsentState::Granted);
    assert_eq!(judge(&stream, &[], std::slice::from_ref(&granted), Timestamp(0)), Judgement::Clear);
    let elsewhere = Consent { stream: StreamId(2), ..granted };
    assert_eq!(judge(&stream, &[], &[elsewhere], Timestamp(0)), Judgement::Unconsented(None));
}

#[test]
fn a_consent_expires_by_the_clock_and_a_renewal_counts_anew() {
    let day = 24 * 3_600_000;
    let mut stream = Stream {
        id: StreamId(1),
        account: AccountId(1),
        name: "s".into(),
        kind: StreamKind::Marketing,
        consent_required: true,
        honour_opt_out: false,
        reply_to: None,
        created: Timestamp(0),
        removed: None,
        rules: StreamRules::default(),
        answers: StreamAnswers::default(),
    };
    let given = |at| Consent {
        stream: StreamId(1),
        state: ConsentState::Granted,
        evidence: evidence(Source::Page),
        at: Timestamp(at),
        sequence: 20,
        circumstances: None,
    };
    let judged = |stream: &Stream, stops: &[Suppression], at, now| {
        judge(stream, stops, &[given(at)], Timestamp(now))
    };
    assert_eq!(judged(&stream, &[], 0, u64::MAX), Judgement::Clear, "nothing expires by itself");
    stream.rules.consent_expires = Some(ConsentTerm::Days(30));
    assert_eq!(judged(&stream, &[], 0, 30 * day - 1), Judgement::Clear);
    let ended = Consent { state: ConsentState::Expired, at: Timestamp(30 * day), ..given(0) };
    assert_eq!(judged(&stream, &[], 0, 30 * day), Judgement::Unconsented(Some(ended)));
    assert_eq!(judged(&stream, &[], day, 30 * day), Judgement::Clear, "it was given anew");
    // What has expired outranks the person's stop no more.
    let stop = Suppression {
        scope: Scope::Account,
        reason: Reason::OptOut,
        evidence: evidence(Source::Reply),
        at: Timestamp(0),
        sequence: 10,
        site: None,
    };
    let stops = [stop.clone()];
    assert_eq!(judged(&stream, &stops, 0, day), Judgement::Clear);
    assert_eq!(judged(&stream, &stops, 0, 31 * day), Judgement::Suppressed(stop));
    // Where nobody need agree, a consent that has expired keeps nobody from anything.
    stream.consent_required = false;
    assert_eq!(judged(&stream, &[], 0, 31 * day), Judgement::Clear);
}

/// Where nobody need agree, only a withdrawal binds: on marketing and transactional streams, with and
/// without `honour_opt_out`, and on no other stream than the one it names.
#[test]
fn a_withdrawal_binds_where_nobody_need_agree() {
    for (kind, honour_opt_out) in [
        (StreamKind::Marketing, false),
        (StreamKind::Transactional, false),
        (StreamKind::Transactional, true),
    ] {
        for (state, of, binds) in [
            (ConsentState::Pending, 1, false),
            (ConsentState::Granted, 1, false),
            (ConsentState::Expired, 1, false),
            (ConsentState::Withdrawn, 1, true),
            (ConsentState::Withdrawn, 2, false),
        ] {
            let stream = Stream {
                id: StreamId(1),
                account: AccountId(1),
                name: "s".into(),
                kind,
                consent_required: false,
                honour_opt_out,
                reply_to: None,
                created: Timestamp(0),
                removed: None,
                rules: StreamRules::default(),
                answers: StreamAnswers::default(),
            };
            let consent = Consent {
                stream: StreamId(of),
                state,
                evidence: evidence(Source::Operator),
                at: Timestamp(0),
                sequence: 1,
                circumstances: None,
            };
            let judgement = judge(&stream, &[], std::slice::from_ref(&consent), Timestamp(0));
            let expected =
                if binds { Judgement::Unconsented(Some(consent)) } else { Judgement::Clear };
            assert_eq!(judgement, expected, "{kind:?} {honour_opt_out} {state:?} of {of}");
        }
    }
}

#[tokio::test]
async fn a_stop_is_shown_in_the_record_it_stands_in() {
    let home = tempfile::tempdir().expect("a folder");
    let (accounts, policy, stream) = rig(home.path()).await;
    let (account, domain) = (stream.account, someone().domain().clone());
    for (owner, subject) in [
        (account, him()),
        (account, Subject::Domain(domain.clone())),
        (AccountId::INSTALLATION, him()),
        (AccountId::INSTALLATION, Subject::Domain(domain.clone())),
    ] {
        let evidence = evidence(Source::Operator);
        let done = policy.suppress(owner, subject, Scope::Account, Reason::Manual, evidence);
        done.await.expect("store");
    }
    let all = policy.standing(account, &him()).expect("store");
    let shown: Vec<_> = all.iter().map(|one| (one.owner, one.recipient())).collect();
    let (pat, everybody) = (Some("pat@example.com".into()), Some("@example.com".to_owned()));
    let installation = AccountId::INSTALLATION;
    assert_eq!(
        shown,
        [
            (account, pat.clone()),
            (account, everybody.clone()),
            (installation, pat),
            (installation, everybody.clone())
        ]
    );
    assert_eq!(all[1].hash, accounts.domain_hash(account, &domain).expect("hash"));
    let global = policy.standing(installation, &him()).expect("store");
    assert_eq!(global.len(), 2, "none is doubled");
    // The hash that a listing shows for a domain is enough to find and to lift it.
    let by_hash = policy.standing(account, &Subject::Hash(all[1].hash)).expect("store");
    assert_eq!(by_hash[0].recipient(), everybody);
    let listed = policy.suppressed(account, None, 10).expect("store").found;
    assert!(listed.iter().any(|(_, view)| view.domain.as_ref() == Some(&domain)));
}

#[tokio::test]
async fn a_person_undoes_only_their_own_stop_and_what_was_before_stands_again() {
    let home = tempfile::tempdir().expect("a folder");
    let (_, policy, stream) = rig(home.path()).await;
    let address = someone();
    let account = stream.account;
    let stop = |source| {
        let evidence = evidence(source);
        policy.suppress(account, him(), Scope::Account, Reason::OptOut, evidence)
    };
    let (imported, _) = stop(Source::Api).await.expect("store");
    let undone = policy.undo(imported, evidence(Source::Page)).await;
    assert!(!undone.expect("store"), "an import is not a person's act");
    // The person says it too: a stop of their own, which they can undo; the import stands again.
    let (own, _) = stop(Source::Reply).await.expect("store");
    assert_ne!(own, imported);
    let (again, _) = stop(Source::OneClick).await.expect("store");
    assert_eq!(again, own, "said twice, it is one stop");
    let (confirmed, _) = stop(Source::Api).await.expect("store");
    assert_eq!(confirmed, own, "an import adds nothing to a person's word");
    assert!(policy.undo(own, evidence(Source::Page)).await.expect("store"));
    assert!(!policy.undo(own, evidence(Source::Page)).await.expect("store"));
    let view = policy.view(account, &him()).expect("store");
    assert_eq!(view.suppressions.len(), 1);
    assert_eq!(view.suppressions[0].sequence, imported);
    let lifted =
        policy.lift(account, him(), Scope::Account, Reason::OptOut, evidence(Source::Operator));
    assert!(lifted.await.expect("store"));
    let judgement = policy.judge(&stream, &someone()).expect("store");
    assert_eq!(judgement, Judgement::Clear);
    // Numbers that name no stop, or another kind of event, undo nothing.
    assert!(!policy.undo(9999, evidence(Source::Page)).await.expect("store"));
    let granted = policy.grant(&stream, &address, Timestamp(1), evidence(Source::Page));
    granted.await.expect("store");
    let history = policy.history(account, &him(), 100).expect("store");
    let grant = history.last().expect("an event").sequence;
    assert!(!policy.undo(grant, evidence(Source::Page)).await.expect("store"));
}

#[tokio::test]
async fn a_stop_said_again_after_a_return_is_a_new_one() {
    let home = tempfile::tempdir().expect("a folder");
    let (_, policy, stream) = rig(home.path()).await;
    let address = someone();
    let scope = Scope::Stream(stream.id);
    let stop = || {
        let evidence = evidence(Source::Reply);
        policy.suppress(stream.account, him(), scope, Reason::OptOut, evidence)
    };
    let (first, _) = stop().await.expect("store");
    let back = policy.grant(&stream, &address, Timestamp(1), evidence(Source::Reply));
    back.await.expect("store");
    let judgement = policy.judge(&stream, &someone()).expect("store");
    assert_eq!(judgement, Judgement::Clear);
    let (second, _) = stop().await.expect("store");
    assert_ne!(first, second);
    let judgement = policy.judge(&stream, &someone()).expect("store");
    assert!(matches!(judgement, Judgement::Suppressed(_)));
    // Undone, the person is where they were: back.
    let undone = policy.undo(second, evidence(Source::Page)).await;
    assert!(undone.expect("store"));
    let judgement = policy.judge(&stream, &someone()).expect("store");
    assert_eq!(judgement, Judgement::Clear);
}

#[tokio::test]
async fn an_imported_consent_lifts_no_stop_and_a_withdrawal_ends_consent() {
    let home = tempfile::tempdir().expect("a folder");
    let (accounts, policy, _) = rig(home.path()).await;
    let account = accounts.account("acme").expect("account").id;
    let offers = draft("offers", StreamKind::Marketing, true);
    let stream = accounts.add_stream(account, offers).await.expect("stream");
    let judged = || policy.judge(&stream, &someone()).expect("store");
    assert_eq!(judged(), Judgement::Unconsented(None));
    let address = someone();
    let granted = policy.grant(&stream, &address, Timestamp(1), evidence(Source::Api));
    granted.await.expect("store");
    assert_eq!(judged(), Judgement::Clear);
    let ended = policy.withdraw(&stream, &address, Timestamp(86_400_000), evidence(Source::Api));
    assert_eq!(ended.await.expect("store"), super::Settled::Fully);
    let Judgement::Unconsented(Some(consent)) = judged() else {
        unreachable!("a consent that was withdrawn holds");
    };
    assert_eq!((consent.state, consent.at), (ConsentState::Withdrawn, Timestamp(86_400_000)));
    let stop =
        policy.suppress(account, him(), Scope::Account, Reason::OptOut, evidence(Source::Reply));
    stop.await.expect("store");
    let import = policy.grant(&stream, &address, Timestamp(u64::MAX / 2), evidence(Source::Api));
    import.await.expect("store");
    assert!(matches!(judged(), Judgement::Suppressed(_)));
}

#[tokio::test]
async fn lifting_names_a_reason_and_leaves_what_lies_beneath() {
    let home = tempfile::tempdir().expect("a folder");
    let (_, policy, stream) = rig(home.path()).await;
    let account = stream.account;
    for reason in [Reason::Complaint, Reason::HardBounce] {
        let done =
            policy.suppress(account, him(), Scope::Account, reason, evidence(Source::Bounce));
        done.await.expect("store");
    }
    let lift =
        |reason, source| policy.lift(account, him(), Scope::Account, reason, evidence(source));
    let by_person = lift(Reason::HardBounce, Source::Reply).await;
    assert!(!by_person.expect("store"), "a dead address is not theirs to lift");
    assert!(lift(Reason::Complaint, Source::Reply).await.expect("store"));
    assert!(!lift(Reason::Complaint, Source::Operator).await.expect("store"));
    let Judgement::Suppressed(left) = policy.judge(&stream, &someone()).expect("store") else {
        unreachable!("the dead address may be sent to");
    };
    assert_eq!(left.reason, Reason::HardBounce);
}

#[tokio::test]
async fn a_global_stop_of_a_hash_is_that_of_its_address_or_refused() {
    let home = tempfile::tempdir().expect("a folder");
    let (accounts, policy, stream) = rig(home.path()).await;
    let address = someone();
    let account = stream.account;
    let hash = accounts.hash(account, &someone()).expect("hash");
    let global = |subject| {
        let evidence = evidence(Source::Operator);
        policy.suppress(account, subject, Scope::Global, Reason::Manual, evidence)
    };
    let unknown = global(Subject::Hash(hash)).await;
    assert!(matches!(unknown, Err(StoreFault::Missing(_))), "{unknown:?}");
    let granted = policy.grant(&stream, &address, Timestamp(1), evidence(Source::Api));
    granted.await.expect("store");
    global(Subject::Hash(hash)).await.expect("the address is known");
    // It binds another account too, which knows the person under another hash.
    let other = accounts.add_account("other").await.expect("account");
    let news = draft("news", StreamKind::Transactional, false);
    let theirs = accounts.add_stream(other.id, news).await.expect("stream");
    let judgement = policy.judge(&theirs, &someone()).expect("store");
    assert!(matches!(judgement, Judgement::Suppressed(_)));
    // Seen from the hash: global and domain rows are there; seen by the operator, none is doubled.
    let domain = Subject::Domain(someone().domain().clone());
    let done =
        policy.suppress(account, domain, Scope::Account, Reason::Manual, evidence(Source::Api));
    done.await.expect("store");
    let view = policy.view(account, &Subject::Hash(hash)).expect("store");
    assert_eq!((view.suppressions.len(), view.consents.len()), (2, 1));
    let view = policy.view(AccountId::INSTALLATION, &him()).expect("store");
    assert_eq!(view.suppressions.len(), 1);
    let stranger = Subject::Hash(RecipientHash([9; 16]));
    let view = policy.view(account, &stranger).expect("store");
    assert_eq!(view, RecipientView::default());
    let lifted = policy.lift(
        account,
        Subject::Hash(hash),
        Scope::Global,
        Reason::Manual,
        evidence(Source::Operator),
    );
    assert!(lifted.await.expect("store"));
    let judgement = policy.judge(&theirs, &someone()).expect("store");
    assert_eq!(judgement, Judgement::Clear);
}

#[test]
fn a_refusal_says_why_and_since_when_but_a_global_one_neither() {
    let stop = |scope, reason| {
        Judgement::Suppressed(Suppression {
            scope,
            reason,
            evidence: evidence(Source::Reply),
            at: Timestamp(1_795_478_400_000),
            sequence: 1,
            site: None,
        })
    };
    let said = |judgement| match Policy::answer(judgement) {
        Verdict::Refuse(answer) | Verdict::Defer(answer) => answer.reply.wire(),
        _ => String::new(),
    };
    let stream = Scope::Stream(StreamId(1));
    for (scope, reason, words) in [
        (stream, Reason::OptOut, "the recipient opted out of this stream on 2026-11-24 (opt_out)"),
        (
            Scope::Account,
            Reason::OptOut,
            "the recipient opted out of this account's mail on 2026-11-24 (opt_out)",
        ),
        (Scope::Account, Reason::Complaint, "the recipient complained on 2026-11-24 (complaint)"),
        (Scope::Account, Reason::HardBounce, "the address is dead since 2026-11-24 (hard_bounce)"),
        (stream, Reason::Manual, "suppressed by hand on 2026-11-24 (manual)"),
    ] {
        let wire = said(Ok(stop(scope, reason)));
        assert_eq!(wire, format!("550 5.7.1 {words}\r\n"));
    }
    for reason in Reason::ALL {
        let wire = said(Ok(stop(Scope::Global, reason)));
        assert_eq!(wire, "550 5.7.1 the recipient does not accept this mail\r\n");
    }
    assert!(said(Ok(Judgement::Unconsented(None))).starts_with("550 5.7.1 no consent"));
    let withdrawn = Consent {
        stream: StreamId(1),
        state: ConsentState::Withdrawn,
        evidence: evidence(Source::Operator),
        at: Timestamp(1_795_478_400_000),
        sequence: 1,
        circumstances: None,
    };
    assert_eq!(
        said(Ok(Judgement::Unconsented(Some(withdrawn.clone())))),
        "550 5.7.1 consent to this stream was withdrawn on 2026-11-24\r\n"
    );
    for (state, words) in [
        (ConsentState::Expired, "expired on 2026-11-24"),
        (ConsentState::Pending, "was asked for on 2026-11-24 and not confirmed yet"),
    ] {
        let consent = Consent { state, ..withdrawn.clone() };
        let wire = said(Ok(Judgement::Unconsented(Some(consent))));
        assert_eq!(wire, format!("550 5.7.1 consent to this stream {words}\r\n"));
    }
    assert!(said(Err(StoreFault::Busy)).starts_with("451 4.3.0 "));
    assert!(said(Ok(Judgement::Clear)).is_empty());
}
