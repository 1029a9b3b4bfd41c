//! The lists of stops that large services export, a row each: their columns as their documentation has
//! them, and which words mean what.

use super::services::Meaning::{Complaint, HardBounce, LeftOut, Manual, OptOut};
use super::services::{List, Rule};

/// A refusal for now says nothing of the address.
const SOFT: &str = "a refusal that was not for good stops nobody";
/// Rows of people who may be written to.
const WILLING: &str = "a person who has not unsubscribed";

const ALWAYS_OPT_OUT: &[Rule] = &[Rule { when: &[], then: OptOut }];
const ALWAYS_COMPLAINT: &[Rule] = &[Rule { when: &[], then: Complaint }];
const ALWAYS_DEAD: &[Rule] = &[Rule { when: &[], then: HardBounce }];

/// All of them; those of one service stand together.
pub(super) const LISTS: &[List] = &[
    // https://www.twilio.com/docs/sendgrid/api-reference/bounces-api/retrieve-all-bounces: CSV and JSON alike.
    List {
        service: "sendgrid",
        title: "SendGrid",
        name: "bounces",
        has: &[&["email"], &["created"], &["reason"], &["status"]],
        may: &[],
        tells: Some(&[]),
        bare: &[],
        recipient: &["email"],
        at: &["created"],
        ahead: 0,
        group: &[],
        rules: &[
            Rule { when: &[("status", &["4*"])], then: LeftOut(SOFT) },
            Rule { when: &[], then: HardBounce },
        ],
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/blocks-api/retrieve-all-blocks
    List {
        service: "sendgrid",
        title: "SendGrid",
        name: "blocks",
        has: &[&["email"], &["created"], &["reason"], &["status"]],
        may: &[],
        tells: Some(&[]),
        bare: &[],
        recipient: &["email"],
        at: &["created"],
        ahead: 0,
        group: &[],
        rules: &[Rule { when: &[], then: LeftOut(SOFT) }],
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/invalid-e-mails-api
    List {
        service: "sendgrid",
        title: "SendGrid",
        name: "invalid_emails",
        has: &[&["email"], &["created"], &["reason"]],
        may: &[],
        tells: None,
        bare: &[],
        recipient: &["email"],
        at: &["created"],
        ahead: 0,
        group: &[],
        rules: ALWAYS_DEAD,
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/spam-reports-api: the IP is the sending server's.
    List {
        service: "sendgrid",
        title: "SendGrid",
        name: "spam_reports",
        has: &[&["email"], &["created"], &["ip"]],
        may: &[],
        tells: Some(&[]),
        bare: &[],
        recipient: &["email"],
        at: &["created"],
        ahead: 0,
        group: &[],
        rules: ALWAYS_COMPLAINT,
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/suppressions-global-suppressions
    List {
        service: "sendgrid",
        title: "SendGrid",
        name: "unsubscribes",
        has: &[&["email"], &["created"]],
        may: &[],
        tells: None,
        bare: &[],
        recipient: &["email"],
        at: &["created"],
        ahead: 0,
        group: &[],
        rules: ALWAYS_OPT_OUT,
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/suppressions-suppressions/retrieve-all-suppressions
    List {
        service: "sendgrid",
        title: "SendGrid",
        name: "group_unsubscribes",
        has: &[&["email"], &["groupid", "groupname"]],
        may: &["groupid", "groupname", "createdat", "created"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["email"],
        at: &["createdat", "created"],
        ahead: 0,
        group: &["groupname", "groupid"],
        rules: ALWAYS_OPT_OUT,
    },
    // https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/bounces
    List {
        service: "mailgun",
        title: "Mailgun",
        name: "bounces",
        has: &[&["address"], &["code"], &["error"]],
        may: &["createdat", "messagehash"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["address"],
        at: &["createdat"],
        ahead: 0,
        group: &[],
        rules: &[
            Rule { when: &[("code", &["4*"])], then: LeftOut(SOFT) },
            Rule { when: &[], then: HardBounce },
        ],
    },
    // https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/unsubscribe
    List {
        service: "mailgun",
        title: "Mailgun",
        name: "unsubscribes",
        has: &[&["address"], &["tags", "tag"]],
        may: &["createdat"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["address"],
        at: &["createdat"],
        ahead: 0,
        group: &["tags", "tag"],
        rules: ALWAYS_OPT_OUT,
    },
    // https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/complaints
    List {
        service: "mailgun",
        title: "Mailgun",
        name: "complaints",
        has: &[&["address"], &["createdat"]],
        may: &["count"],
        tells: None,
        bare: &[],
        recipient: &["address"],
        at: &["createdat"],
        ahead: 0,
        group: &[],
        rules: ALWAYS_COMPLAINT,
    },
    // https://postmarkapp.com/developer/api/suppressions-api#suppression-dump
    List {
        service: "postmark",
        title: "Postmark",
        name: "suppressions",
        has: &[&["emailaddress"], &["suppressionreason"]],
        may: &["origin", "createdat", "messagestream"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["emailaddress"],
        at: &["createdat"],
        ahead: 0,
        group: &["messagestream"],
        rules: &[
            Rule { when: &[("suppressionreason", &["hardbounce"])], then: HardBounce },
            Rule { when: &[("suppressionreason", &["spamcomplaint"])], then: Complaint },
            Rule {
                when: &[("suppressionreason", &["manualsuppression"]), ("origin", &["recipient"])],
                then: OptOut,
            },
            Rule { when: &[("suppressionreason", &["manualsuppression"])], then: Manual },
        ],
    },
    // https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_ListSuppressedDestinations.html, and the files
    // of https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html, which have no names.
    List {
        service: "ses",
        title: "Amazon SES",
        name: "suppressions",
        has: &[&["emailaddress"], &["reason"]],
        may: &["lastupdatetime", "attributes", "lastupdatedtime"],
        tells: Some(&["lastupdatetime"]),
        bare: &["EmailAddress", "Reason"],
        recipient: &["emailaddress", "email"],
        at: &["lastupdatetime", "lastupdatedtime"],
        ahead: 0,
        group: &[],
        rules: SES,
    },
    // https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_ListContacts.html
    List {
        service: "ses",
        title: "Amazon SES",
        name: "contacts",
        has: &[&["emailaddress"], &["unsubscribeall"]],
        may: &["*"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["emailaddress"],
        at: &["lastupdatedtimestamp"],
        ahead: 0,
        group: &[],
        rules: &[
            Rule { when: &[("unsubscribeall", &["true"])], then: OptOut },
            Rule { when: &[("unsubscribeall", &["false", ""])], then: LeftOut(WILLING) },
        ],
    },
    // http://www.sendcloud.net/doc/en/email_v2/unsubscribe_do: times are China's; types 2 and 3 say that it was
    // spam or a fraud.
    List {
        service: "sendcloud",
        title: "SendCloud",
        name: "unsubscribes",
        has: &[&["email", "邮箱地址", "邮件地址"], &["unsubscribetime", "退订时间"]],
        may: &[
            "domain",
            "labelid",
            "labelname",
            "apiuser",
            "unsubscribetype",
            "unsubscribetypedesc",
            "expiretime",
            "域名",
            "标签",
            "退订类型",
            "过期时间",
        ],
        tells: Some(&[]),
        bare: &[],
        recipient: &["email", "邮箱地址", "邮件地址"],
        at: &["unsubscribetime", "退订时间"],
        ahead: 8,
        group: &["labelname"],
        rules: &[
            Rule { when: &[("unsubscribetype", &["2", "3"])], then: Complaint },
            Rule { when: &[], then: OptOut },
        ],
    },
    // http://www.sendcloud.net/doc/en/email_v2/bounce_do
    List {
        service: "sendcloud",
        title: "SendCloud",
        name: "bounces",
        has: &[&["email", "邮箱地址", "邮件地址"], &["bouncetime", "退信时间"]],
        may: &["reason", "domain", "expiretime", "退信原因", "退信域名", "过期时间"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["email", "邮箱地址", "邮件地址"],
        at: &["bouncetime", "退信时间"],
        ahead: 8,
        group: &[],
        rules: ALWAYS_DEAD,
    },
    // https://developers.sparkpost.com/api/suppression-list/
    List {
        service: "sparkpost",
        title: "SparkPost",
        name: "suppressions",
        has: &[&["recipient"], &["type"], &["source"]],
        may: &[
            "description",
            "created",
            "updated",
            "transactional",
            "nontransactional",
            "subaccountid",
        ],
        tells: Some(&[]),
        bare: &[],
        recipient: &["recipient"],
        at: &["created", "updated"],
        ahead: 0,
        group: &[],
        rules: &[
            Rule { when: &[("source", &["bounce rule"])], then: HardBounce },
            Rule { when: &[("source", &["spam complaint", "fbl"])], then: Complaint },
            Rule { when: &[("source", &["list unsubscribe", "unsubscribe link"])], then: OptOut },
            Rule { when: &[("source", &["manually added", "compliance"])], then: Manual },
        ],
    },
    // https://mailchimp.com/developer/transactional/api/rejects/list-denylisted-emails/
    List {
        service: "mandrill",
        title: "Mandrill",
        name: "rejects",
        has: &[&["email"], &["reason"], &["createdat"], &["expiresat"]],
        may: &["detail", "lasteventat", "expired", "sender", "subaccount"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["email"],
        at: &["createdat"],
        ahead: 0,
        group: &[],
        rules: &[
            Rule { when: &[("reason", &["soft-bounce"])], then: LeftOut(SOFT) },
            Rule { when: &[("reason", &["hard-bounce", "invalid"])], then: HardBounce },
            Rule { when: &[("reason", &["spam"])], then: Complaint },
            Rule { when: &[("reason", &["unsub"])], then: OptOut },
            Rule { when: &[("reason", &["custom", "rule"])], then: Manual },
        ],
    },
    // https://mailchimp.com/help/view-export-contacts/: people who left, beside columns of the account's own.
    List {
        service: "mailchimp",
        title: "Mailchimp",
        name: "unsubscribed",
        has: &[&["emailaddress"], &["unsubtime"]],
        may: &["*"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["emailaddress"],
        at: &["unsubtime"],
        ahead: 0,
        group: &[],
        rules: ALWAYS_OPT_OUT,
    },
    // The same page: addresses that are dead.
    List {
        service: "mailchimp",
        title: "Mailchimp",
        name: "cleaned",
        has: &[&["emailaddress"], &["cleantime"]],
        may: &["*"],
        tells: Some(&[]),
        bare: &[],
        recipient: &["emailaddress"],
        at: &["cleantime"],
        ahead: 0,
        group: &[],
        rules: ALWAYS_DEAD,
    },
];

const SES: &[Rule] = &[
    Rule { when: &[("reason", &["bounce"])], then: HardBounce },
    Rule { when: &[("reason", &["complaint"])], then: Complaint },
];
