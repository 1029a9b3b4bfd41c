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

/// What most lists have.
const PLAIN: List = List {
    service: "",
    title: "",
    name: "",
    has: &[],
    may: &[],
    tells: Some(&[]),
    bare: &[],
    recipient: &[],
    at: &[],
    ahead: 0,
    group: &[],
    rules: &[],
};
const SENDGRID: List = List {
    service: "sendgrid",
    title: "SendGrid",
    recipient: &["email"],
    at: &["created"],
    ..PLAIN
};
const MAILGUN: List = List {
    service: "mailgun",
    title: "Mailgun",
    recipient: &["address"],
    at: &["createdat"],
    ..PLAIN
};
const SES: List = List { service: "ses", title: "Amazon SES", ..PLAIN };
const SENDCLOUD: List = List {
    service: "sendcloud",
    title: "SendCloud",
    recipient: &["email", "邮箱地址", "邮件地址"],
    ..PLAIN
};
const MAILCHIMP: List =
    List { service: "mailchimp", title: "Mailchimp", recipient: &["emailaddress"], ..PLAIN };

/// All of them; those of one service stand together.
pub(super) const LISTS: &[List] = &[
    // https://www.twilio.com/docs/sendgrid/api-reference/bounces-api/retrieve-all-bounces: CSV and JSON alike.
    List {
        name: "bounces",
        has: &[&["email"], &["created"], &["reason"], &["status"]],
        rules: &[
            Rule { when: &[("status", &["4*"])], then: LeftOut(SOFT) },
            Rule { when: &[], then: HardBounce },
        ],
        ..SENDGRID
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/blocks-api/retrieve-all-blocks
    List {
        name: "blocks",
        has: &[&["email"], &["created"], &["reason"], &["status"]],
        rules: &[Rule { when: &[], then: LeftOut(SOFT) }],
        ..SENDGRID
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/invalid-e-mails-api
    List {
        name: "invalid_emails",
        has: &[&["email"], &["created"], &["reason"]],
        tells: None,
        rules: ALWAYS_DEAD,
        ..SENDGRID
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/spam-reports-api: the IP is the sending server's.
    List {
        name: "spam_reports",
        has: &[&["email"], &["created"], &["ip"]],
        rules: ALWAYS_COMPLAINT,
        ..SENDGRID
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/suppressions-global-suppressions
    List {
        name: "unsubscribes",
        has: &[&["email"], &["created"]],
        tells: None,
        rules: ALWAYS_OPT_OUT,
        ..SENDGRID
    },
    // https://www.twilio.com/docs/sendgrid/api-reference/suppressions-suppressions/retrieve-all-suppressions
    List {
        name: "group_unsubscribes",
        has: &[&["email"], &["groupid", "groupname"]],
        may: &["groupid", "groupname", "createdat", "created"],
        at: &["createdat", "created"],
        group: &["groupname", "groupid"],
        rules: ALWAYS_OPT_OUT,
        ..SENDGRID
    },
    // https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/bounces
    List {
        name: "bounces",
        has: &[&["address"], &["code"], &["error"]],
        may: &["createdat", "messagehash"],
        rules: &[
            Rule { when: &[("code", &["4*"])], then: LeftOut(SOFT) },
            Rule { when: &[], then: HardBounce },
        ],
        ..MAILGUN
    },
    // https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/unsubscribe
    List {
        name: "unsubscribes",
        has: &[&["address"], &["tags", "tag"]],
        may: &["createdat"],
        group: &["tags", "tag"],
        rules: ALWAYS_OPT_OUT,
        ..MAILGUN
    },
    // https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/complaints
    List {
        name: "complaints",
        has: &[&["address"], &["createdat"]],
        may: &["count"],
        tells: None,
        rules: ALWAYS_COMPLAINT,
        ..MAILGUN
    },
    // https://postmarkapp.com/developer/api/suppressions-api#suppression-dump
    List {
        service: "postmark",
        title: "Postmark",
        name: "suppressions",
        has: &[&["emailaddress"], &["suppressionreason"]],
        may: &["origin", "createdat", "messagestream"],
        recipient: &["emailaddress"],
        at: &["createdat"],
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
        ..PLAIN
    },
    // https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_ListSuppressedDestinations.html, and the files
    // of https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html, which have no names.
    List {
        name: "suppressions",
        has: &[&["emailaddress"], &["reason"]],
        may: &["lastupdatetime", "attributes", "lastupdatedtime"],
        tells: Some(&["lastupdatetime"]),
        bare: &["EmailAddress", "Reason"],
        recipient: &["emailaddress", "email"],
        at: &["lastupdatetime", "lastupdatedtime"],
        rules: SES_STOPS,
        ..SES
    },
    // https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_ListContacts.html
    List {
        name: "contacts",
        has: &[&["emailaddress"], &["unsubscribeall"]],
        may: &["*"],
        recipient: &["emailaddress"],
        at: &["lastupdatedtimestamp"],
        rules: &[
            Rule { when: &[("unsubscribeall", &["true"])], then: OptOut },
            Rule { when: &[("unsubscribeall", &["false", ""])], then: LeftOut(WILLING) },
        ],
        ..SES
    },
    // http://www.sendcloud.net/doc/en/email_v2/unsubscribe_do: times are China's; types 2 and 3 say that it was
    // spam or a fraud.
    List {
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
        at: &["unsubscribetime", "退订时间"],
        ahead: 8,
        group: &["labelname"],
        rules: &[
            Rule { when: &[("unsubscribetype", &["2", "3"])], then: Complaint },
            Rule { when: &[], then: OptOut },
        ],
        ..SENDCLOUD
    },
    // http://www.sendcloud.net/doc/en/email_v2/bounce_do
    List {
        name: "bounces",
        has: &[&["email", "邮箱地址", "邮件地址"], &["bouncetime", "退信时间"]],
        may: &["reason", "domain", "expiretime", "退信原因", "退信域名", "过期时间"],
        at: &["bouncetime", "退信时间"],
        ahead: 8,
        rules: ALWAYS_DEAD,
        ..SENDCLOUD
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
        recipient: &["recipient"],
        at: &["created", "updated"],
        rules: &[
            Rule { when: &[("source", &["bounce rule"])], then: HardBounce },
            Rule { when: &[("source", &["spam complaint", "fbl"])], then: Complaint },
            Rule { when: &[("source", &["list unsubscribe", "unsubscribe link"])], then: OptOut },
            Rule { when: &[("source", &["manually added", "compliance"])], then: Manual },
        ],
        ..PLAIN
    },
    // https://mailchimp.com/developer/transactional/api/rejects/list-denylisted-emails/
    List {
        service: "mandrill",
        title: "Mandrill",
        name: "rejects",
        has: &[&["email"], &["reason"], &["createdat"], &["expiresat"]],
        may: &["detail", "lasteventat", "expired", "sender", "subaccount"],
        recipient: &["email"],
        at: &["createdat"],
        rules: &[
            Rule { when: &[("reason", &["soft-bounce"])], then: LeftOut(SOFT) },
            Rule { when: &[("reason", &["hard-bounce", "invalid"])], then: HardBounce },
            Rule { when: &[("reason", &["spam"])], then: Complaint },
            Rule { when: &[("reason", &["unsub"])], then: OptOut },
            Rule { when: &[("reason", &["custom", "rule"])], then: Manual },
        ],
        ..PLAIN
    },
    // https://mailchimp.com/help/view-export-contacts/: people who left, beside columns of the account's own.
    List {
        name: "unsubscribed",
        has: &[&["emailaddress"], &["unsubtime"]],
        may: &["*"],
        at: &["unsubtime"],
        rules: ALWAYS_OPT_OUT,
        ..MAILCHIMP
    },
    // The same page: addresses that are dead.
    List {
        name: "cleaned",
        has: &[&["emailaddress"], &["cleantime"]],
        may: &["*"],
        at: &["cleantime"],
        rules: ALWAYS_DEAD,
        ..MAILCHIMP
    },
];

const SES_STOPS: &[Rule] = &[
    Rule { when: &[("reason", &["bounce"])], then: HardBounce },
    Rule { when: &[("reason", &["complaint"])], then: Complaint },
];
