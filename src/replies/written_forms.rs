//! How mail programs in many languages introduce and mark what they quote, and what they add below it:
//! `|` stands between the forms.

use super::words::tests::plain;
use super::written::{of_html, of_plain};

/// Lines that introduce a quote.
const INTRODUCTIONS: &str = ">>> Shop <s@x.example> 1/2/2024 10:00 AM >>>|\
    >>> On 1/2/2024 at 10:00 AM, in message <a@x.example>, Shop <s@x.example> wrote:|\
    เมื่อ อ. 2 ม.ค. 2024 เวลา 10:00 Shop\n<s@x.example> เขียนว่า:|\
    मंगल, 2 जन॰ 2024 को 10:00 am बजे को Shop\n<s@x.example> ने लिखा:|\
    ---- On Tue, 02 Jan 2024 10:00:00 +0800 Shop <s@x.example> wrote ----|\
    ---- 在 星期二, 2024-01-02 10:00:00 Shop <s@x.example> 写道 ----|\
    On Tue, Jan 2, 2024 at 10:00 AM Shop <s@x.example> wrote:|\
    On Jan 2, 2024, at 10:00, Shop <s@x.example> wrote:|\
    在 2024年1月2日周二 10:00，Shop <s@x.example> 写道：|\
    Shop <s@x.example> 于2024年1月2日周二 10:00写道：|\
    Le mar. 2 janv. 2024 à 10:00, Shop <s@x.example> a écrit :|\
    Am Di., 2. Jan. 2024 um 10:00 Uhr schrieb Shop <s@x.example>:|\
    El mar, 2 ene 2024 a las 10:00, Shop <s@x.example> escribió:|\
    Em ter., 2 de jan. de 2024 às 10:00, Shop <s@x.example> escreveu:|\
    Il giorno mar 2 gen 2024 alle ore 10:00 Shop <s@x.example> ha scritto:|\
    Op di 2 jan 2024 om 10:00 schreef Shop <s@x.example>:|\
    вт, 2 янв. 2024 г. в 10:00, Shop <s@x.example>:|\
    вторник, 2 января 2024 г. в 10:00, Shop <s@x.example> написал:|\
    2 января 2024 г., в 10:00, Shop <s@x.example> написал(а):|\
    wt., 2 sty 2024 o 10:00 Shop <s@x.example> napisał(a):|\
    W dniu 2.01.2024 o 10:00, Shop <s@x.example> pisze:|\
    2024年1月2日(火) 10:00 Shop <s@x.example>:|\
    2024年1月2日(火) 10:00、Shop <s@x.example>さんのメール:|\
    2024/01/02 10:00、Shop <s@x.example>のメール:|\
    2024년 1월 2일 (화) 오전 10:00, Shop <s@x.example>님이 작성:|\
    2024. 1. 2. 오전 10:00, Shop <s@x.example> 작성:|\
    Den tis 2 jan. 2024 kl 10:00 skrev Shop <s@x.example>:|\
    Den tir. 2. jan. 2024 kl. 10.00 skrev Shop <s@x.example>:|\
    tir. 2. jan. 2024 kl. 10:00 skrev Shop <s@x.example>:|\
    ti 2. tammik. 2024 klo 10.00 Shop <s@x.example> kirjoitti:|\
    út 2. 1. 2024 v 10:00 odesílatel Shop <s@x.example> napsal:|\
    2 Oca 2024 Sal 10:00 tarihinde Shop <s@x.example> şunu yazdı:|\
    Vào Th 3, 2 thg 1, 2024 vào lúc 10:00 Shop <s@x.example> đã viết:|\
    Στις Τρί 2 Ιαν 2024 στις 10:00 π.μ., ο χρήστης Shop <s@x.example> έγραψε:|\
    בתאריך יום ג׳, 2 בינו׳ 2024 ב-10:00 מאת Shop <s@x.example>:|\
    Pada tanggal Sel, 2 Jan 2024 pukul 10.00 Shop <s@x.example> menulis:|\
    ในวันที่ อ. 2 ม.ค. 2024 เวลา 10:00 Shop <s@x.example> เขียนว่า:|\
    вт, 2 січ. 2024 р. о 10:00 Shop <s@x.example> пише:|\
    Shop <s@x.example> ezt írta (időpont: 2024. jan. 2., K, 10:00):|\
    În mar., 2 ian. 2024 la 10:00, Shop <s@x.example> a scris:|\
    At 2024-01-02 10:00:00, \"Shop\" <s@x.example> wrote:|On 2024-01-02 10:00, Shop wrote:|\
    2024-01-02 10:00 GMT+08:00 Shop <s@x.example>:|\
    On Tuesday, January 2, 2024 at 10:00:00 AM GMT+8, Shop <s@x.example> wrote:|\
    Le mardi 2 janvier 2024 à 10:00:00 UTC+1, Shop <s@x.example> a écrit :|\
    Am Dienstag, 2. Januar 2024 um 10:00:00 MEZ hat Shop <s@x.example> Folgendes geschrieben:|\
    El martes, 2 de enero de 2024, 10:00:00 CET, Shop <s@x.example> escribió:|\
    Em terça-feira, 2 de janeiro de 2024 às 10:00:00 BRT, Shop <s@x.example> escreveu:|\
    Il martedì 2 gennaio 2024 alle ore 10:00:00 CET, Shop <s@x.example> ha scritto:|\
    2024年1月2日 10:00，Shop <s@x.example> 写道：|\
    在2024年01月02日 10:00，Shop<s@x.example> 写道：|\
    On Tue, 2 Jan 2024, 10:00 Shop, <s@x.example> wrote:|\
    mar. 2 janv. 2024 à 10:00, Shop <s@x.example> a écrit :|\
    Le 02/01/2024 à 10:00, Shop a écrit :|Am 02.01.24 um 10:00 schrieb Shop:|\
    El 2/1/24 a las 10:00, Shop escribió:|Il 02/01/24 10:00, Shop ha scritto:|\
    Em 02/01/2024 10:00, Shop escreveu:|Op 02-01-2024 om 10:00 schreef Shop:|\
    02.01.2024 10:00, Shop пишет:|Dne 02. 01. 24 v 10:00 Shop napsal(a):|\
    Den 02.01.2024 10:00, skrev Shop:|2024/01/02 10:00, Shop wrote:|\
    On 1/2/24 10:00, Shop wrote:|Shop schrieb am 02.01.2024 um 10:00:|\
    Shop heeft op 02-01-2024 10:00 het volgende geschreven:|\
    Ter, 2 de jan de 2024 10:00, Shop <s@x.example> escreveu:";

/// Header blocks of an original that is not marked.
const BLOCKS: &str = "From: Shop <s@x.example>\nSent: Tuesday, January 2, 2024 10:00 AM\nTo: Ann <ann@b.example>\nSubject: News|\
    发件人: Shop <s@x.example>\n发送时间: 2024年1月2日 10:00\n收件人: Ann\n主题: News|\
    寄件者: Shop <s@x.example>\n寄件日期: 2024年1月2日\n收件者: Ann\n主旨: News|\
    差出人: Shop <s@x.example>\n送信日時: 2024年1月2日\n宛先: Ann\n件名: News|\
    보낸 사람: Shop <s@x.example>\n보낸 날짜: 2024년\n받는 사람: Ann\n제목: News|\
    Von: Shop <s@x.example>\nGesendet: Dienstag, 2. Januar 2024\nAn: Ann\nBetreff: News|\
    De : Shop <s@x.example>\nEnvoyé : mardi 2 janvier 2024\nÀ : Ann\nObjet : News|\
    De: Shop <s@x.example>\nEnviado: martes\nPara: Ann\nAsunto: News|\
    De: Shop <s@x.example>\nEnviada em: terça\nPara: Ann\nAssunto: News|\
    Da: Shop <s@x.example>\nInviato: martedì\nA: Ann\nOggetto: News|\
    Van: Shop <s@x.example>\nVerzonden: dinsdag\nAan: Ann\nOnderwerp: News|\
    От: Shop <s@x.example>\nОтправлено: вторник\nКому: Ann\nТема: News|\
    Od: Shop <s@x.example>\nWysłano: wtorek\nDo: Ann\nTemat: News|\
    Från: Shop <s@x.example>\nSkickat: den 2\nTill: Ann\nÄmne: News|\
    Fra: Shop <s@x.example>\nSendt: tirsdag\nTil: Ann\nEmne: News|\
    Lähettäjä: Shop <s@x.example>\nLähetetty: tiistai\nVastaanottaja: Ann\nAihe: News|\
    Od: Shop <s@x.example>\nOdesláno: úterý\nKomu: Ann\nPředmět: News|\
    Kimden: Shop <s@x.example>\nGönderildi: Salı\nKime: Ann\nKonu: News|\
    Від: Shop <s@x.example>\nНадіслано: вівторок\nКому: Ann\nТема: News|\
    *From:* Shop <s@x.example>\n*Sent:* Tuesday\n*To:* Ann\n*Subject:* News|\
    發件人： Shop\n發送時間： 2024\n收件人： Ann\n主題： News|\
    Από: Shop <s@x.example>\nΣτάλθηκε: Τρίτη\nΠρος: Ann\nΘέμα: News|\
    De la: Shop <s@x.example>\nTrimis: marți\nCătre: Ann\nSubiect: News|\
    Feladó: Shop <s@x.example>\nElküldve: kedd\nCímzett: Ann\nTárgy: News|\
    Từ: Shop <s@x.example>\nĐã gửi: x\nĐến: Ann\nChủ đề: News";

/// Footers of devices and programs.
const FOOTERS: &str = "مرسل من الـ iPhone|Az iPhone-omról küldve|Elküldve Galaxy készülékemről|\
    मेरे iPhone से भेजा गया|Εστάλη από το iPhone μου|Trimis din Yahoo Mail pe Android|Odoslané z iPhonu|\
    Sent from my iPhone|发自我的iPhone|发自我的华为手机|来自 Outlook for iOS|\
    Skickat från min iPhone|Inviato da iPhone|Enviado desde mi iPhone|\
    Verstuurd vanaf mijn iPhone|Von meinem Samsung Galaxy Smartphone gesendet.|\
    Gesendet mit der GMX Mail App|\
    Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.|\
    Envoyé à partir de Outlook pour Android|Envoyé depuis l'application Mail Orange|\
    Inviato da Libero Mail per Android|Отправлено из мобильной Почты Mail.ru|\
    Отправлено с iPhone|Wysłane z iPhone'a|Odesláno z iPhonu|iPhoneから送信|\
    나의 iPhone에서 보냄|내 Galaxy에서 보냄|Yahoo Mail: Search, Organize, Conquer|\
    Sent from Yahoo Mail for iPhone|Sent with Proton Mail secure email.|\
    Sent from Mail for Windows|Get BlueMail for Android|Sent from my T-Mobile 5G Device|\
    Sent from myMail for iOS|Enviado a partir do meu smartphone Samsung Galaxy.|\
    Enviado do Yahoo Mail para iPhone|Gesendet von Outlook für Android|通过 iPhone 发送|\
    從我的 iPhone 傳送|寄自我的 iPhone|從 Yahoo 信箱發送|发自网易邮箱大师|来自网易邮箱|\
    签名由 网易邮箱大师 定制|Virus-free. www.avast.com|Envoyé de mon iPhone|\
    Sendt fra min iPhone|Lähetetty iPhonesta|iPhone'umdan gönderildi|\
    Enviat des del meu iPhone|Von meinem iPhone gesendet|Gesendet von Mail für Windows|\
    發自我的 iPhone|發送自我的 iPhone|Sent from my Verizon, Samsung Galaxy smartphone|\
    Sent from Outlook for Android<https://aka.ms/AAb9ysg>|Galaxyから送信|\
    Outlook for iOSを入手<https://aka.ms/o0ukef>|获取 Outlook for iOS<https://aka.ms/o0ukef>|\
    Sent from Front|Sent via Superhuman|Sent from Gmail Mobile|Gửi từ iPhone của tôi|\
    Надіслано з iPhone|Poslano z mojega iPhona|Dikirim dari iPhone saya|ส่งจาก iPhone ของฉัน|\
    Στάλθηκε από το iPhone μου";

/// Marks of a quote in HTML: the original stands for `%s`.
const MARKS: &[&str] = &[
    "<div class=\"gmail_quote\"><div dir=\"ltr\" class=\"gmail_attr\">On Tue, Jan 2, 2024 Shop &lt;<a href=\"mailto:s@x.example\">s@x.example</a>&gt; wrote:<br></div><blockquote class=\"gmail_quote\">%s</blockquote></div>",
    "<div style=\"border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in\"><p><b>From:</b> Shop</p></div>%s",
    "<hr style=\"display:inline-block;width:98%\" tabindex=\"-1\"><div id=\"divRplyFwdMsg\"><b>From:</b> Shop<br><b>Sent:</b> x</div>%s",
    "<div><br><blockquote type=\"cite\"><div>On Jan 2, 2024, at 10:00, Shop wrote:</div>%s</blockquote></div>",
    "<div class=\"yahoo_quoted\">%s</div>",
    "<div style=\"font-size: 12px;font-family: Arial Narrow;padding:2px 0 2px 0;\">------------------&nbsp;原始邮件&nbsp;------------------</div>%s",
    "<div class=\"moz-cite-prefix\">On 1/2/24 10:00, Shop wrote:<br></div><blockquote type=\"cite\" cite=\"mid:x\">%s</blockquote>",
    "<blockquote id=\"isReplyContent\" style=\"x\">%s</blockquote>",
    "<div name=\"messageReplySection\">On Jan 2, 2024, 10:00 AM, Shop &lt;s@x.example&gt;, wrote:<br><blockquote style=\"x\">%s</blockquote></div>",
    "<div name=\"quote\" style=\"margin:10px 5px 5px 10px; padding: 10px 0 10px 10px; border-left:2px solid #C3D9E5;\"><div><b>Gesendet:</b> x<br><b>Von:</b> Shop</div>%s</div>",
    "<blockquote style=\"border-left:1px solid #0857A6; margin:10px; padding:0 0 0 10px;\">Вторник, 2 января 2024, 10:00 +03:00 от Shop &lt;s@x.example&gt;:<br>%s</blockquote>",
    "<div class=\"protonmail_quote\">On Tue Shop wrote:<blockquote class=\"protonmail_quote\">%s</blockquote></div>",
    "<div>---------- Forwarded message ---------</div>%s",
    "<div class=\"__aliyun_previous_quote\">%s</div>",
    "<div style=\"background:#f2f2f2;\"><b>发件人:</b>&nbsp;\"Shop\"&lt;s@x.example&gt;;<br><b>发送时间:</b>&nbsp;2024年1月2日<br><b>收件人:</b>&nbsp;\"Ann\";<br><b>主题:</b>&nbsp;News</div>%s",
    "<div id=\"original-content\">%s</div>",
    "<p>-----Original Message-----<br>From: Shop<br>Sent: x</p>%s",
    "<div class=\"zmail_extra\"><div>---- On Tue Shop wrote ---</div><blockquote>%s</blockquote></div>",
    "<div id=\"mail-editor-reference-message-container\"><div><b>From:</b> Shop<br><b>Date:</b> x</div>%s</div>",
    "<hr id=\"zwchr\">%s",
    "<div class=\"tutanota_quote\">%s</div>",
    "<div>On Tue, 2 Jan 2024, at 10:00, Shop wrote:<br></div><blockquote type=\"cite\" id=\"qt\">%s</blockquote>",
    "<div class=\"WordSection1\"><div style=\"border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm\"><p>发件人: Shop</p></div>%s</div>",
    "<div id=\"x_divRplyFwdMsg\">From: Shop</div>%s",
    "<div class=\"gmail_extra\"><br><div class=\"gmail_quote\">On Tue Shop wrote:<blockquote>%s</blockquote></div></div>",
    "<br>On Tue, 2 Jan 2024 at 10:00, Shop &lt;s@x.example&gt; wrote:<br>%s",
    "<table><tr><td>From:</td><td>Shop &lt;s@x.example&gt;</td></tr><tr><td>Date:</td><td>x</td></tr><tr><td>Subject:</td><td>News</td></tr></table>%s",
    "<includetail><div><br></div><div style=\"font-size: 12px\"><div>------------------&nbsp;Original&nbsp;------------------</div><div><b>From:</b> Shop</div></div>%s</includetail>",
];

fn check(text: &str, expect: &str) {
    assert_eq!(of_plain(plain().marks(), text).text, expect, "{text}");
}

#[test]
fn the_answer_is_found_above_and_below_quotes_in_many_languages() {
    let marked = "> Hello\n> reply R to reject\n> R\n";
    for introduction in INTRODUCTIONS.split('|') {
        check(&format!("T\n\n{introduction}\n\n{marked}"), "T");
        check(&format!("T\n\n{introduction}\nHello,\n\nReject Please Reply R\nR\n"), "T");
        check(&format!("{introduction}\n\n{marked}\nT\n"), "T");
    }
    for block in BLOCKS.split('|') {
        for rule in ["", "________________________________\n", "-----Original Message-----\n"] {
            check(&format!("T\n\n{rule}{block}\n\nHello,\n\nR\n"), "T");
        }
    }
}

#[test]
fn footers_of_many_devices_are_no_words() {
    for footer in FOOTERS.split('|') {
        check(&format!("T\n\n{footer}\n"), "T");
        check(&format!("{footer}\n\n> R\n"), "");
    }
}

#[test]
fn the_original_is_cut_off_by_the_marks_of_many_programs() {
    let original = "<p>Hello</p><p>Reject Please Reply R</p><p>R</p>";
    for mark in MARKS {
        let quoted = mark.replace("%s", original);
        assert_eq!(
            of_html(plain().marks(), &format!("<div>T</div><br>{quoted}")).text,
            "T",
            "{mark}"
        );
        assert_eq!(
            of_html(plain().marks(), &format!("<div><br></div>{quoted}")).text,
            "",
            "{mark}"
        );
    }
}
