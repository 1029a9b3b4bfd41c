//! What an account may send: whether at all, how large, how fast, to how many. Each refusal says which
//! limit it is and when it frees.

use super::Intake;
use crate::accounts::{AccountRules, Limits, Login};
use crate::mail::{Answer, Status, Verdict};
use crate::store::StoreFault;

/// What is known of an account's allowance while a message of its comes in.
pub(super) struct Allowance {
    rules: AccountRules,
    limits: Limits,
}

fn said(limit: &'static str, code: u16, status: (u8, u16, u16), text: String) -> Answer {
    metrics::counter!("relent_account_limits_total", "limit" => limit).increment(1);
    Answer::new(code, Status::new(status.0, status.1, status.2), text)
}

fn deferred(fault: &StoreFault) -> Verdict {
    Verdict::Defer(fault.answer())
}

impl Allowance {
    /// The largest message that is taken, where others are bounded by `size_max`.
    pub(super) fn size_max(&self, size_max: u64) -> u64 {
        self.limits.message_size.map_or(size_max, |own| own.min(size_max))
    }

    /// A message that is larger.
    pub(super) fn too_large(size_max: u64) -> Answer {
        let text = format!("messages have at most {size_max} octets here");
        said("message_size", 552, (5, 3, 4), text)
    }
}

impl Intake {
    fn allowance(&self, login: &Login) -> Result<Allowance, StoreFault> {
        let rules = self.parts.accounts.rules(login.account.id)?;
        let limits = rules.limits.clone().or(&self.parts.config.accounts);
        Ok(Allowance { rules, limits })
    }

    /// Refuses who is suspended, with the operator's words.
    pub(super) fn suspended(&self, login: &Login, code: u16) -> Result<(), Verdict> {
        let suspension = self.parts.accounts.suspension(login.account.id);
        let Some(suspension) = suspension.map_err(|fault| deferred(&fault))? else {
            return Ok(());
        };
        let text = suspension.words(&login.account.name);
        Err(Verdict::Refuse(said("suspended", code, (5, 7, 1), text)))
    }

    /// Whether an account may begin a message, of a size where MAIL names one.
    pub(super) fn may_begin(&self, login: &Login, size: Option<u64>) -> Result<Allowance, Verdict> {
        self.suspended(login, 550)?;
        let allowance = self.allowance(login).map_err(|fault| deferred(&fault))?;
        let size_max = allowance.size_max(u64::MAX);
        if size.is_some_and(|size| size > size_max) {
            return Err(Verdict::Refuse(Allowance::too_large(size_max)));
        }
        let begun = self.parts.accounts.begin_message(login.account.id, &allowance.limits);
        begun.map(|()| allowance).map_err(|fast| {
            let seconds = fast.wait.as_millis().div_ceil(1000);
            let text = format!(
                "the account {} may send {} messages a {}; try again in {seconds} s",
                login.account.name, fast.limit, fast.period
            );
            Verdict::Defer(said("message_rate", 451, (4, 7, 1), text))
        })
    }

    /// Whether one more recipient has room beside so many of the message.
    pub(super) fn has_room(&self, login: &Login, named: usize) -> Result<(), Verdict> {
        self.suspended(login, 550)?;
        let allowance = self.allowance(login).map_err(|fault| deferred(&fault))?;
        if let Some(most) = allowance.limits.recipients_per_message
            && named >= most as usize
        {
            let text = format!(
                "the account {} may name {most} recipients in a message; send the others in another",
                login.account.name
            );
            return Err(Verdict::Defer(said("recipients_per_message", 452, (4, 5, 3), text)));
        }
        let Some(most) = allowance.limits.recipients_per_day else { return Ok(()) };
        let sent = self.parts.accounts.sent_today(login.account.id, &allowance.rules);
        let sent = sent.map_err(|fault| deferred(&fault))?;
        if sent.saturating_add(named as u64) < most {
            return Ok(());
        }
        Err(Verdict::Defer(self.spent(login, &allowance.rules, most)))
    }

    /// Counts the recipients of a message that is taken now.
    pub(super) async fn count(
        &self,
        login: &Login,
        recipients: usize,
        wanted: u64,
    ) -> Result<AccountRules, Answer> {
        if let Err(Verdict::Refuse(answer) | Verdict::Defer(answer)) = self.suspended(login, 550) {
            return Err(answer);
        }
        let Allowance { rules, limits } = self.allowance(login).map_err(|fault| fault.answer())?;
        if let Some(most) = limits.recipients_per_message.filter(|most| recipients > *most as usize)
        {
            let text = format!(
                "the account {} may name {most} recipients in a message, and this one names {recipients}",
                login.account.name
            );
            return Err(said("recipients_per_message", 550, (5, 5, 3), text));
        }
        let account = login.account.id;
        match self.parts.accounts.take_recipients(account, &rules, wanted).await {
            Ok(true) => Ok(rules),
            Ok(false) => Err(self.spent(login, &rules, limits.recipients_per_day.unwrap_or(0))),
            Err(fault) => Err(fault.answer()),
        }
    }

    fn spent(&self, login: &Login, rules: &AccountRules, most: u64) -> Answer {
        let end = rules.day_end(self.parts.world.clock.now());
        let text = format!(
            "the account {} may send to {most} recipients a day, and there is no room for more; try \
             again after {end}",
            login.account.name
        );
        said("recipients_per_day", 451, (4, 7, 1), text)
    }
}
