//! How mail programs quote: what stands between an answer and the original, in text and in HTML.

/// How the lines of the original are marked in text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// `> ` before each, `>` alone before an empty one.
    Angle,
    /// `>` without a blank.
    Tight,
    /// `| ` before each.
    Bar,
    /// Blanks before each.
    Indent,
    /// None: the original follows as it was.
    None,
}

/// What introduces the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// A line of the language, wrapped at so many columns where it is longer.
    Wrote(usize),
    /// The same, itself marked as quoted.
    WroteInside,
    /// A header block of the language; before it what the text says, `{original}` in the language.
    Block(&'static str),
    /// The same, the block itself marked as quoted.
    BlockInside(&'static str),
    /// A text as it stands, whatever the language.
    Text(&'static str),
    /// Nothing.
    Nothing,
}

/// How one program answers.
pub(super) struct Client {
    pub(super) name: &'static str,
    /// Languages in which it is met; empty: any.
    pub(super) codes: &'static [&'static str],
    pub(super) openings: &'static [Opening],
    pub(super) marks: &'static [Marks],
    /// `{answer}`, `{opening}` and `{original}` in its page; empty: it writes text alone.
    pub(super) page: &'static str,
    /// Whether people answer below or within the original with it.
    pub(super) below: bool,
}

use Marks::{Angle, Bar, Indent, Tight};
use Opening::{Block, BlockInside, Nothing, Text, Wrote, WroteInside};

const CHINESE: &[&str] = &["zh", "zh-tw"];

pub(super) const CLIENTS: &[Client] = &[
    Client {
        name: "gmail",
        codes: &[],
        openings: &[Wrote(76), Wrote(998)],
        marks: &[Angle],
        page: "<div dir=\"ltr\">{answer}</div><br><div class=\"gmail_quote gmail_quote_container\">\
            <div dir=\"ltr\" class=\"gmail_attr\">{opening}<br></div><blockquote class=\"gmail_quote\" \
            style=\"margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex\">\
            {original}</blockquote></div>",
        below: true,
    },
    Client {
        name: "apple-mail",
        codes: &[],
        openings: &[Wrote(998), WroteInside],
        marks: &[Angle],
        page: "<html><head></head><body style=\"overflow-wrap: break-word;\">{answer}<br id=\"lineBreakAtBeginningOfMessage\">\
            <div><br><blockquote type=\"cite\"><div>{opening}</div><br class=\"Apple-interchange-newline\">\
            <div>{original}</div></blockquote></div><br></body></html>",
        below: true,
    },
    Client {
        name: "iphone",
        codes: &[],
        openings: &[WroteInside, Wrote(998)],
        marks: &[Angle],
        page: "<html><body dir=\"auto\">{answer}<br id=\"lineBreakAtBeginningOfSignature\"><div dir=\"ltr\"></div>\
            <div dir=\"ltr\"><br><blockquote type=\"cite\">{opening}<br><br></blockquote></div>\
            <blockquote type=\"cite\"><div dir=\"ltr\">\u{feff}{original}</div></blockquote></body></html>",
        below: false,
    },
    Client {
        name: "outlook",
        codes: &[],
        openings: &[Block(""), Block("-----{original}-----\n"), Block("\n\n")],
        marks: &[Marks::None],
        page: "<html xmlns:o=\"urn:schemas-microsoft-com:office:office\"><head><style><!--p.MsoNormal{margin:0cm}--></style></head>\
            <body lang=\"EN-US\"><div class=\"WordSection1\"><p class=\"MsoNormal\">{answer}<o:p></o:p></p>\
            <div><div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\">\
            <p class=\"MsoNormal\">{opening}<o:p></o:p></p></div></div><p class=\"MsoNormal\">{original}</p></div></body></html>",
        below: false,
    },
    Client {
        name: "outlook-web",
        codes: &[],
        openings: &[
            Block("________________________________\n"),
            Block(
                "\nGet Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<html><body dir=\"ltr\"><div class=\"elementToProof\" style=\"font-family: Aptos\">{answer}</div>\
            <div id=\"appendonsend\"></div><hr style=\"display:inline-block;width:98%\" tabindex=\"-1\">\
            <div id=\"divRplyFwdMsg\" dir=\"ltr\"><font face=\"Calibri\">{opening}</font><div>&nbsp;</div></div>\
            <div>{original}</div></body></html>",
        below: false,
    },
    Client {
        name: "yahoo",
        codes: &[],
        openings: &[Wrote(998)],
        marks: &[Indent],
        page: "<html><head></head><body><div class=\"ydp1a2b yahoo-style-wrap\"><div dir=\"ltr\">{answer}</div></div>\
            <div id=\"yahoo_quoted_0042\" class=\"yahoo_quoted\"><div>{opening}</div><div>{original}</div></div></body></html>",
        below: false,
    },
    Client {
        name: "yahoo-app",
        codes: &["en"],
        openings: &[Text("On Tue, Jan {d}, {Y} at {H}:{M} AM, {name}<{address}> wrote:   ")],
        marks: &[Marks::None],
        page: "{answer}<br><br><a href=\"https://mail.onelink.me/107\">Sent from Yahoo Mail for iPhone</a><br><br>\
            <p class=\"yahoo-quoted-begin\">{opening}</p><blockquote class=\"iosymail\">{original}</blockquote>",
        below: false,
    },
    Client {
        name: "qq",
        codes: &["zh", "en"],
        openings: &[
            Text(
                "\n------------------&nbsp;原始邮件&nbsp;------------------\n发件人:                                                                                                                        \"{name}\"                                                                                    <{address}&gt;;\n发送时间:&nbsp;{Y}年{m}月{d}日(星期二) 上午{H}:{M}\n收件人:&nbsp;\"ann\"<ann@b.example&gt;;\n\n主题:&nbsp;{subject}\n\n\n\n",
            ),
            Text(
                "\n------------------ Original ------------------\nFrom:  \"{name}\"<{address}>;\nDate:  Tue, Jan {d}, {Y} {H}:{M} AM\nTo:  \"ann\"<ann@b.example>;\n\nSubject:  {subject}\n\n\n\n",
            ),
            Text(
                "\n------------------ 原始邮件 ------------------\n发件人: {name} <{address}>\n发送时间: {Y}年{m}月{d}日 {H}:{M}\n收件人: ann <ann@b.example>\n主题: 回复：{subject}\n\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<div>{answer}</div><div><br></div><div style=\"font-size: 12px;font-family: Arial Narrow;padding:2px 0 2px 0;\">\
            ------------------&nbsp;原始邮件&nbsp;------------------</div><div style=\"font-size: 12px;background:#efefef;padding:8px;\">\
            <div><b>发件人:</b>&nbsp;\"{name}\"&lt;{address}&gt;;</div><div><b>发送时间:</b>&nbsp;{Y}年{m}月{d}日</div></div>\
            <div><br></div>{original}",
        below: false,
    },
    Client {
        name: "netease",
        codes: &["zh", "en"],
        openings: &[
            Text("\n\n\n\n\nAt {Y}-{m}-{d} {H}:{M}:46, \"{name}\" <{address}> wrote:\n"),
            Text("\n\n\n在 {Y}-{m}-{d} {H}:{M}:46，\"{name}\" <{address}> 写道：\n"),
            Text(
                "\n\n\n-- \n发自我的网易邮箱手机智能版\n<br/><br/><br/>\n\n\n在 {Y}-{m}-{d} {H}:{M}:46，\"{name}\" <{address}> 写道：\n",
            ),
        ],
        marks: &[Tight, Marks::None],
        page: "<div style=\"line-height:1.7;color:#000000;font-size:14px;font-family:Arial\">{answer}</div><br>\
            <div id=\"divNeteaseMailCard\"></div><br><pre>At {Y}-{m}-{d} {H}:{M}:46, \"{name}\" &lt;{address}&gt; wrote:\n</pre>\
            <blockquote id=\"isReplyContent\" style=\"PADDING-LEFT: 1ex; MARGIN: 0px 0px 0px 0.8ex; BORDER-LEFT: #ccc 1px solid\">\
            {original}</blockquote>",
        below: false,
    },
    Client {
        name: "netease-app",
        codes: &["zh", "en"],
        openings: &[
            Text(
                "\n\n\n---- Replied Message ----\n| From | {name}<{address}> |\n| Date | {m}/{d}/{Y} {H}:{M} |\n| To | <ann@b.example> |\n| Subject | {subject} |\n",
            ),
            Text(
                "\n\n---- 回复的原邮件 ----\n| 发件人 | {name}<{address}> |\n| 日期 | {Y}年{m}月{d}日 {H}:{M} |\n| 收件人 | ann@b.example |\n| 主题 | {subject} |\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<div>{answer}</div><div class=\"ntes-mailmaster-quote\" style=\"padding-top: 1px; padding-bottom: 1px\">\
            <div style=\"margin-top:2em;\">---- 回复的原邮件 ----</div><table><tr><td>发件人</td><td>{name}</td></tr></table>\
            <div>{original}</div></div>",
        below: false,
    },
    Client {
        name: "alimail",
        codes: &["zh", "en"],
        openings: &[
            Text(
                "\n------------------------------------------------------------------\n发件人：{name} <{address}>\n发送时间：{Y}年{m}月{d}日(星期二) {H}:{M}\n收件人：ann <ann@b.example>\n主　题：{subject}\n\n",
            ),
            Text(
                "\n------------------------------------------------------------------\nSender:{name} <{address}>\nSent At:{Y} Jan. {d} (Tue.) {H}:{M}\nRecipient:ann <ann@b.example>\nSubject:{subject}\n\n",
            ),
            Text(
                "\n------------------------------------------------------------------\nFrom:{name} <{address}>\nSend Time:{Y} Jan. {d} (Tue.) {H}:{M}\nTo:ann <ann@b.example>\nSubject:{subject}\n\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<div class=\"__aliyun_email_body_block\"><div>{answer}</div><div><br></div>\
            <blockquote style=\"margin-right:0;margin-top:0;margin-bottom:0;\"><div>------------------------------------------------------------------</div>\
            <div>发件人：{name} &lt;{address}&gt;</div><div>发送时间：{Y}年{m}月{d}日</div><br>{original}</blockquote></div>",
        below: false,
    },
    Client {
        name: "thunderbird",
        codes: &[],
        openings: &[Wrote(72)],
        marks: &[Angle],
        page: "<html><head><meta http-equiv=\"Content-Type\"></head><body><p>{answer}</p>\
            <div class=\"moz-cite-prefix\">{opening}<br></div><blockquote type=\"cite\" cite=\"mid:17@shop.example\">\
            {original}</blockquote></body></html>",
        below: true,
    },
    Client {
        name: "zimbra",
        codes: &[],
        openings: &[
            BlockInside("----- {original} -----\n"),
            Block("----- {original} -----\n"),
            Block("\n"),
        ],
        marks: &[Angle],
        page: "<html><body><div style=\"font-family: arial\"><div>{answer}</div><br><hr id=\"zwchr\" data-marker=\"__DIVIDER__\">\
            <div data-marker=\"__HEADERS__\">{opening}</div><div data-marker=\"__QUOTED_TEXT__\">{original}</div></div></body></html>",
        below: false,
    },
    Client {
        name: "mailru",
        codes: &["ru", "en", "uk"],
        openings: &[
            Text("\n  \n>Вторник, {d} января {Y}, {H}:{M} +03:00 от {name} <{address}>:\n> \n"),
            Text("\n\nВторник, {d} января {Y}, {H}:{M} +03:00 от {name} <{address}>:\n"),
            Text("\n\nTuesday, {d} January {Y}, {H}:{M} +03:00 from {name} <{address}>:\n"),
        ],
        marks: &[Tight],
        page: "\n<HTML><BODY><div>{answer}</div><div>&nbsp;</div><div data-signature-widget=\"container\"></div>\
            <blockquote style=\"border-left:1px solid #0857A6;margin:10px;padding:0 0 0 10px;\">Вторник, {d} января {Y}, \
            {H}:{M} +03:00 от {name} &lt;{address}&gt;:<br>&nbsp;<div id=\"\">{original}</div></blockquote></BODY></HTML>",
        below: true,
    },
    Client {
        name: "yandex",
        codes: &["ru", "en", "tr"],
        openings: &[
            Text("\n{d}.{m}.{Y}, {H}:{M}, \"{name}\" <{address}>:\n"),
            Text("\n \n{H}:{M}, {d} января {Y} г., {name} <{address}>:\n"),
        ],
        marks: &[Angle],
        page: "<div>{answer}</div><div> </div><div>{d}.{m}.{Y}, {H}:{M}, \"{name}\" &lt;{address}&gt;:</div>\
            <blockquote><div>{original}</div></blockquote>",
        below: true,
    },
    Client {
        name: "proton",
        codes: &["en", "de", "fr"],
        openings: &[
            Text("\nOn Tuesday, January {d}th, {Y} at {H}:{M} AM, {name} <{address}> wrote:\n\n"),
            Text(
                "\n------- Original Message -------\nOn Tuesday, January {d}th, {Y} at {H}:{M} AM, {name} <{address}> wrote:\n\n\n",
            ),
            Text(
                "\n‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn Tuesday, January {d}th, {Y} {H}:{M} AM, {name} <{address}> wrote:\n\n",
            ),
        ],
        marks: &[Angle],
        page: "<div style=\"font-family: Arial\">{answer}</div><div class=\"protonmail_signature_block\"></div>\
            <div class=\"protonmail_quote\">{opening}<br><blockquote class=\"protonmail_quote\" type=\"cite\">{original}</blockquote><br></div>",
        below: true,
    },
    Client {
        name: "notes",
        codes: &["en", "de"],
        openings: &[
            Text(
                "\n\n\nFrom:\t{name} <{address}>\nTo:\tann@b.example\nDate:\t{d}-{m}-{Y} {H}:{M}\nSubject:\t{subject}\n\n\n\n",
            ),
            Text(
                "\n-----{name} <{address}> wrote: -----\nTo: ann@b.example\nFrom: {name} <{address}>\nDate: {m}/{d}/{Y} {H}:{M}AM\nSubject: {subject}\n\n",
            ),
            Text(
                "\n\n\n{name} <{address}> \n{d}.{m}.{Y} {H}:{M}\n\nAn\nann@b.example\nKopie\n\nThema\n{subject}\n\n\n",
            ),
        ],
        marks: &[Marks::None],
        page: "",
        below: false,
    },
    Client {
        name: "foxmail",
        codes: &["zh", "en", "zh-tw"],
        openings: &[
            Text(
                "\n\n\n\nann@b.example\n \nFrom: {name}\nDate: {Y}-{m}-{d} {H}:{M}\nTo: ann\nSubject: {subject}\n",
            ),
            Text(
                "\n\n\n \n发件人： {name}\n发送时间： {Y}-{m}-{d} {H}:{M}\n收件人： ann\n主题： {subject}\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<html><head><style>body { line-height: 1.5; }</style></head><body><div>{answer}</div><div><br></div>\
            <hr style=\"width: 210px; height: 1px;\" color=\"#b5c4df\" size=\"1\" align=\"left\"><div><span>ann@b.example</span></div>\
            <blockquote style=\"margin-Top: 0px; margin-Bottom: 0px; margin-Left: 0.5em\"><div>&nbsp;</div>\
            <div style=\"border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm\"><b>发件人：</b> {name}</div>\
            <div>{original}</div></blockquote></body></html>",
        below: false,
    },
    Client {
        name: "zoho",
        codes: &["en", "zh"],
        openings: &[
            Text("\n\n---- On Tue, {d} Jan {Y} {H}:{M}:07 +0800 {name} <{address}> wrote ----\n\n"),
            Text("\n\n\n---- 在 星期二, {Y}-{m}-{d} {H}:{M}:07 {name} <{address}> 写道 ----\n"),
            Text("\n\n---- On Tue, {d} Jan {Y} {H}:{M}:07 +0800 {name}<{address}> wrote ---\n\n"),
        ],
        marks: &[Angle, Marks::None],
        page: "<div style=\"font-family: Verdana\"><div>{answer}</div><div class=\"zmail_extra_hr\" style=\"border-top: 1px solid rgb(204, 204, 204)\"></div>\
            <div class=\"zmail_extra\" data-zbluepencil-ignore=\"true\"><div>---- On Tue, {d} Jan {Y} {name} wrote ---</div>\
            <blockquote style=\"margin: 0px;\">{original}</blockquote></div></div>",
        below: false,
    },
    Client {
        name: "samsung",
        codes: &[],
        openings: &[Block("\n\n-------- {original} --------\n")],
        marks: &[Marks::None],
        page: "<html><body><div dir=\"auto\">{answer}</div><div dir=\"auto\"><br></div><div>-------- {title} --------</div>\
            <div>{opening}</div><div><br></div>{original}</body></html>",
        below: false,
    },
    Client {
        name: "gmx",
        codes: &["de", "en"],
        openings: &[
            Text(
                "\n\nGesendet: Dienstag, {d}. Januar {Y} um {H}:{M} Uhr\nVon: \"{name}\" <{address}>\nAn: ann@b.example\nBetreff: {subject}\n",
            ),
            Text(
                "\n\nSent: Tuesday, January {d}, {Y} at {H}:{M} AM\nFrom: \"{name}\" <{address}>\nTo: ann@b.example\nSubject: {subject}\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<html><head></head><body><div style=\"font-family: Verdana\"><div>{answer}</div><div>&nbsp;</div>\
            <div name=\"quote\" style=\"margin:10px 5px 5px 10px; padding: 10px 0 10px 10px; border-left:2px solid #C3D9E5;\">\
            <div style=\"margin:0 0 10px 0;\"><b>Gesendet:</b>&nbsp;Dienstag<br/><b>Von:</b>&nbsp;\"{name}\"</div>\
            <div name=\"quoted-content\">{original}</div></div></div></body></html>",
        below: false,
    },
    Client {
        name: "spark",
        codes: &["en", "zh"],
        openings: &[
            Text("\nOn Jan {d}, {Y} at {H}:{M} +0800, {name} <{address}>, wrote:\n"),
            Text("\n在 {Y}年{m}月{d}日 +0800 {H}:{M}，{name} <{address}>，写道：\n"),
        ],
        marks: &[Angle],
        page: "<html><body><div name=\"messageBodySection\"><div>{answer}</div></div>\
            <div name=\"messageReplySection\">{opening}<br /><blockquote type=\"cite\" style=\"border-left-color: grey\">{original}</blockquote></div></body></html>",
        below: false,
    },
    Client {
        name: "lark",
        codes: &["zh", "en"],
        openings: &[
            Text(
                "\n发件人: \"{name}\"<{address}>\n日期: {Y}年{m}月{d}日 (周二) {H}:{M}\n主题: {subject}\n收件人: \"ann\"<ann@b.example>\n",
            ),
            Text(
                "\nFrom: \"{name}\"<{address}>\nDate: Tue, Jan {d}, {Y}, {H}:{M}\nSubject: {subject}\nTo: \"ann\"<ann@b.example>\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<div>{answer}</div><div class=\"history-quote-wrapper\"><div id=\"lark-mail-quote-1704\"><div>{opening}</div>{original}</div></div>",
        below: false,
    },
    Client {
        name: "sina",
        codes: &["zh"],
        openings: &[Text(
            "\n----- 原始邮件 -----\n发件人：{name} <{address}>\n收件人：ann <ann@b.example>\n主题：{subject}\n日期：{Y}年{m}月{d}日 {H}点{M}分\n\n",
        )],
        marks: &[Marks::None],
        page: "<div>{answer}</div><div style=\"border-bottom:1px solid #b5c4df;\">----- 原始邮件 -----</div><div>发件人：{name}</div>\
            <div>收件人：ann</div><div>主题：{subject}</div><br>{original}",
        below: false,
    },
    Client {
        name: "naver",
        codes: &["ko"],
        openings: &[
            Text(
                "\n\n-----Original Message-----\nFrom: \"{name}\" <{address}>\nTo: <ann@b.example>; \nCc: \nSent: {Y}-{m}-{d} (화) {H}:{M}:07 (GMT+09:00)\nSubject: {subject}\n\n",
            ),
            Text(
                "\n\n--------- 원본 메일 ---------\n보낸사람 : {name} <{address}>\n받는사람 : ann@b.example\n날짜 : {Y}년 {m}월 {d}일 화요일, {H}시 {M}분 07초 +0900\n제목 : {subject}\n\n",
            ),
        ],
        marks: &[Marks::None],
        page: "<p>{answer}</p><p><br></p><p>-----Original Message-----<br><b>From:</b> \"{name}\"<br><b>To:</b> ann<br><b>Sent:</b> {Y}-{m}-{d}<br><b>Subject:</b> {subject}</p>{original}",
        below: false,
    },
    Client {
        name: "becky",
        codes: &["ja"],
        openings: &[
            Text("\nOn Tue, {d} Jan {Y} {H}:{M}:07 +0900\n{name} <{address}> wrote:\n\n"),
            Text(
                "\n----- Original Message -----\n> From: {name} <{address}>\n> To: ann@b.example\n> Date: {Y}/{m}/{d}, Tue {H}:{M}\n> Subject: {subject}\n>\n",
            ),
        ],
        marks: &[Angle],
        page: "",
        below: true,
    },
    Client {
        name: "mutt",
        codes: &["en", "de"],
        openings: &[Text("\nOn Tue, Jan {d}, {Y} at {H}:{M}:07AM +0100, {name} wrote:\n"), Nothing],
        marks: &[Angle],
        page: "",
        below: true,
    },
    Client {
        name: "webmail",
        codes: &[],
        openings: &[
            Wrote(998),
            Text("\nQuoting {name} <{address}>:\n\n"),
            Text("\n{name} <{address}> writes:\n\n"),
            Nothing,
        ],
        marks: &[Angle, Bar],
        page: "",
        below: true,
    },
    Client {
        name: "aol",
        codes: &["en"],
        openings: &[Text(
            "\n\n-----Original Message-----\nFrom: {name} <{address}>\nTo: ann <ann@b.example>\nSent: Tue, Jan {d}, {Y} {H}:{M} am\nSubject: {subject}\n\n",
        )],
        marks: &[Marks::None],
        page: "<font color='black' size='2'>{answer}<br><br>-----Original Message-----<br>From: {name} &lt;{address}&gt;<br>\
            To: ann &lt;ann@b.example&gt;<br>Sent: Tue, Jan {d}, {Y}<br>Subject: {subject}<br><br>{original}</font>",
        below: false,
    },
    Client {
        name: "chinese-web",
        codes: CHINESE,
        openings: &[
            Text(
                "\n\n------------------ 原始邮件 ------------------\n发件人: \"{name}\"\n发送时间: {Y}-{m}-{d} {H}:{M}\n主题: {subject}\n\n",
            ),
            Text(
                "\n\n-------- 转发邮件信息 --------\n发件人：\"{name}\" <{address}>\n发送日期：{Y}-{m}-{d} {H}:{M}:07\n收件人：ann@b.example\n主题：{subject}\n\n",
            ),
            Text(
                "\n\n原邮件内容：\n发件人：{name} <{address}>\n收件人：ann@b.example\n主题：{subject}\n\n",
            ),
        ],
        marks: &[Marks::None],
        page: "",
        below: false,
    },
];
