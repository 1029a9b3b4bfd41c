//! What people write, by language, in words of our own: `|` stands between the forms.

/// The words of one language.
pub(super) struct Tongue {
    pub(super) code: &'static str,
    /// Stops of one kind of mail, in a word or a few.
    pub(super) leave: &'static str,
    /// The same in sentences.
    pub(super) ask: &'static str,
    /// Stops of everything from the sender.
    pub(super) reject: &'static str,
    /// Letters: nothing is asked for that may be obeyed.
    pub(super) letters: &'static str,
    pub(super) greetings: &'static str,
    pub(super) thanks: &'static str,
    /// Names below the thanks, and what stands below a name.
    pub(super) signatures: &'static str,
    /// What a mobile or a mail program adds.
    pub(super) footers: &'static str,
    pub(super) disclaimer: &'static str,
    /// Introductions as `{who}`, `{name}`, `{address}`, `{Y}` … `{M}` are filled in.
    pub(super) wrote: &'static str,
    /// From, Sent, To, Subject of a header block.
    pub(super) labels: [&'static str; 4],
    /// A date as such a block has it.
    pub(super) date: &'static str,
    /// Titles between dashes.
    pub(super) original: &'static str,
    /// The charsets besides UTF-8 in which it is written.
    pub(super) charsets: &'static [&'static str],
}

const LATIN: &[&str] = &["iso-8859-1", "windows-1252", "iso-8859-15"];

pub(super) const TONGUES: &[Tongue] = &[
    Tongue {
        code: "en",
        leave: "T|t.|TD|STOP|stop!|Unsubscribe|UNSUBSCRIBE.|unsubscribe me|please unsubscribe|\
            opt out|Opt-Out|Remove me|T please|*T*|\"T\"|(T)|T :)|T 👍|unsubscribe!!!|Ｔ|\u{200b}T|\
            \u{200e}STOP\u{200f}|- T|Please unsubscribe.|T\u{a0}|Reply T|stopall",
        ask: "Please take my address off your mailing list.|I'd like to be unsubscribed, please.|\
            Could you please remove me from this list?|I no longer want to receive these newsletters.|\
            Kindly stop sending me these emails.|Please do not send me any more newsletters.|\
            Would you kindly unsubscribe me from future mailings?|\
            Please cancel my subscription to this newsletter.|I want off this mailing list.|\
            I have asked before: please remove my email address from your database.|\
            We are not interested, please take us off your list.",
        reject: "R|r|R.|Reject|REJECT!|Reply R|R please|\"R\"|Ｒ|[R]|R\u{200b}|R 🙏|R!",
        letters: "Thanks, looks good. See you on Thursday.|Could you send the price list again?|\
            Do I have to reply R to stay on the list?|Please don't unsubscribe me, I like these.|\
            My last reply was a mistake, please keep me subscribed.|\
            Who do I talk to about invoice 4471?|The unsubscribe link in your mail is broken.|\
            I got your message, will answer tomorrow.|T-shirts in size L, please.|\
            R. Jones will call you back.|Stop by our booth at the fair!|\
            What happens if I answer with T?|Our server will stop at 10 pm for maintenance.|\
            Please remove item 3 from my order.|Your mail says \"reply R\". Why?|\
            How can I unsubscribe my late father's address from your shop account?|\
            Please cancel the order of last Friday.|I did not mean to unsubscribe. Sorry!|\
            Is this offer still valid?|Great, count me in!",
        greetings: "Hi,|Hello,|Hi there,|Dear Sir or Madam,|Good morning,|Dear team,|Hey",
        thanks: "Thanks|Thank you!|Many thanks,|Kind regards,|Best regards,|Cheers|Regards,",
        signatures: "Tom|Ann Lee|Tom R.|J. T. Miller|Ann Lee\nHead of Purchasing\nTel. +44 20 5550 100",
        footers: "Sent from my iPhone|Get Outlook for Android<https://aka.ms/AAb9ysg>|\
            Sent from Yahoo Mail on Android|Sent from my Galaxy|Sent from Mail for Windows",
        disclaimer: "This e-mail is confidential and intended for the addressee only. If you have received \
            it in error, please delete it and notify the sender. Unauthorised use is not permitted.",
        wrote: "On Tue, Jan {d}, {Y} at {H}:{M} AM {who} wrote:|\
            On Jan {d}, {Y}, at {H}:{M}, {who} wrote:|On {m}/{d}/{y} {H}:{M}, {name} wrote:|\
            On Tuesday, January {d}, {Y} at {H}:{M}:07 AM GMT+1, {who} wrote:|\
            On {Y}-{m}-{d} {H}:{M}, {name} wrote:|At {Y}-{m}-{d} {H}:{M}:31, \"{name}\" <{address}> wrote:|\
            On Tue, {Y}-{m}-{d} at {H}:{M} +0100, {name} wrote:|\
            On Tue, {d} Jan {Y}, at {H}:{M}, {name} wrote:|On {d}/{m}/{Y} {H}:{M}, {who} wrote:|\
            On Tue, Jan {d}, {Y} at {H}:{M}:00AM +0000, {name} wrote:",
        labels: ["From", "Sent", "To", "Subject"],
        date: "Tuesday, January {d}, {Y} {H}:{M} AM",
        original: "Original Message|Original message|Forwarded message",
        charsets: &["us-ascii", "iso-8859-1", "windows-1252", "utf-7", "utf-16"],
    },
    Tongue {
        code: "zh",
        leave: "退订|退订。|T|TD|回复T|回复TD|退订！|请退订|我要退订|取消订阅|请取消订阅，谢谢|退订T|\
            【退订】|“退订”|退订🙏|Ｔ|退 订|回T退订|不要再发了|退订！！！|我要取消订阅",
        ask: "请不要再给我发邮件了。|麻烦把我的邮箱从列表里删除，谢谢。|我不想再收到你们的邮件。|\
            请停止向我发送广告邮件。|请帮我取消订阅，谢谢！|我想退订你们的邮件。|以后别再给我发邮件了|\
            请把我从邮件名单中移除。|别再发广告邮件给我了",
        reject: "拒收|R|回复R|拒收！|请拒收|Ｒ|拒收R|“R”|拒收你们的邮件|我要拒收",
        letters: "好的，收到，明天回复您。|请问这个产品还有货吗？|我不想退订，请继续发送。|\
            刚才的回复发错了，请不要取消我的订阅。|退订机票的钱什么时候到账？|请问怎么退订？|\
            回复R是什么意思？|货已拒收，请尽快退款。|麻烦把发票寄到新地址。|请不要再给我打电话。|\
            T恤还有黑色的吗？|订阅费用是多少？|您的邮件附件打不开，请重发。|谢谢，周五见。|\
            请取消昨天的订单。",
        greetings: "您好，|你好！|您好：|尊敬的客服：|早上好",
        thanks: "谢谢|谢谢！|此致\n敬礼|祝好|多谢",
        signatures: "赵丽|李雷\n采购部|陈先生",
        footers: "发自我的iPhone|发自我的小米手机|来自 Outlook for Android|发自我的华为手机",
        disclaimer: "本邮件及其附件含有保密信息，仅限于发送给上面地址中列出的个人或群组。如果您错收了本邮件，请立即通知发件人并删除本邮件！",
        wrote: "{who} 于{Y}年{m}月{d}日周二 {H}:{M}写道：|{Y}年{m}月{d}日 {H}:{M}，{who} 写道：|\
            在 {Y}年{m}月{d}日，{H}:{M}，{who} 写道：|在 {Y}/{m}/{d} {H}:{M}, {name} 写道:|\
            在 {Y}-{m}-{d} {H}:{M}:22，\"{name}\" <{address}> 写道：|\
            在 {Y}年{m}月{d}日星期二，{who} 写道：|\
            {name} <{address}> 于 {Y}年{m}月{d}日 周二 上午{H}:{M} 写道：",
        labels: ["发件人", "发送时间", "收件人", "主题"],
        date: "{Y}年{m}月{d}日 {H}:{M}",
        original: "原始邮件|邮件原件|转发邮件",
        charsets: &["gb2312", "gbk", "gb18030", "hz-gb-2312"],
    },
    Tongue {
        code: "zh-tw",
        leave: "退訂|取消訂閱|請退訂|請取消訂閱|T|我要退訂|「退訂」|回覆T|請幫我取消訂閱，謝謝",
        ask: "請不要再寄信給我了。|請將我從名單中移除。|我不想再收到你們的郵件。|請停止寄送廣告信給我，謝謝。|\
            麻煩取消我的訂閱。",
        reject: "拒收|回覆R|R|請拒收|我要拒收",
        letters: "好的，謝謝您的來信。|請問這個活動到什麼時候？|我不想退訂，請繼續寄送。|\
            請問如何退訂？|請幫我取消昨天的訂單。|附件打不開，請再寄一次。|回覆R是什麼意思？",
        greetings: "您好，|你好，|您好：",
        thanks: "謝謝|感謝|謝謝您",
        signatures: "林小姐|陳大明\n業務部",
        footers: "從我的 iPhone 傳送|寄自我的 iPhone|取得 iOS 版 Outlook<https://aka.ms/o0ukef>",
        disclaimer: "本郵件可能包含機密資訊，若您非本郵件之收件人，請立即刪除並通知寄件者。",
        wrote: "{who} 於 {Y}年{m}月{d}日 週二 上午{H}:{M}寫道：|{name} <{address}> 於 {Y}年{m}月{d}日 {H}:{M} 寫道：|\
            於 {Y}/{m}/{d} {H}:{M}, {name} 寫道:|在 {Y}年{m}月{d}日 星期二 {H}:{M}:07 [GMT+8], {who} 寫道:",
        labels: ["寄件者", "寄件日期", "收件者", "主旨"],
        date: "{Y}年{m}月{d}日 上午 {H}:{M}",
        original: "原始郵件|轉寄的郵件",
        charsets: &["big5", "big5-hkscs"],
    },
    Tongue {
        code: "ja",
        leave: "配信停止|配信停止。|退会|解除|配信停止をお願いします。|配信停止希望|購読解除|退会します|\
            「配信停止」|T|配信停止してください|解除希望",
        ask: "今後メールを送らないでください。|配信を停止していただけますか。|メルマガを解除したいです。|\
            お手数ですが、配信リストから削除してください。|今後の配信は不要です。よろしくお願いします。|\
            メールの配信停止をお願いいたします。",
        reject: "受信拒否|R|受信拒否します|受信拒否でお願いします",
        letters: "資料を拝見しました。ありがとうございます。|見積書を送ってください。|\
            配信停止の方法を教えてください。|配信停止しないでください。|先ほどのメールは間違いでした。|\
            注文をキャンセルしたいです。|来週の会議は中止になりました。|請求書がまだ届きません。|\
            もう電話しないでください。",
        greetings: "お世話になっております。|こんにちは。|ご担当者様",
        thanks: "よろしくお願いいたします。|ありがとうございます。|以上",
        signatures: "佐藤|高橋 花子\n営業部",
        footers: "iPhoneから送信|Outlook for Androidを入手<https://aka.ms/AAb9ysg>|Galaxyから送信",
        disclaimer: "本メールには機密情報が含まれている場合があります。誤って受信された場合は、削除のうえ送信者までご連絡ください。",
        wrote: "{Y}年{m}月{d}日(火) {H}:{M} {who}:|{Y}/{m}/{d} {H}:{M}、{who}のメール:|\
            {Y}年{m}月{d}日 {H}:{M}、{who}のメール:|On {Y}/{m}/{d} {H}:{M}, {name} wrote:|\
            {Y}年{m}月{d}日(火) {H}:{M} {name} <{address}>:|\
            {Y}年{m}月{d}日火曜日 {H}:{M}:07 JST、{who}さんは書きました:",
        labels: ["差出人", "送信日時", "宛先", "件名"],
        date: "{Y}年{m}月{d}日 {H}:{M}",
        original: "Original Message|元のメッセージ|転送メッセージ",
        charsets: &["iso-2022-jp", "shift_jis", "euc-jp", "windows-31j"],
    },
    Tongue {
        code: "ko",
        leave: "구독취소|구독 취소|구독 취소해 주세요|수신 중단 부탁드립니다|구독 해지|T|구독을 취소해 주세요.|구독취소!",
        ask: "더 이상 메일을 보내지 마세요.|메일링 리스트에서 제 주소를 삭제해 주세요.|\
            뉴스레터 구독을 취소하고 싶습니다.|광고 메일을 그만 보내 주세요.|이메일을 더 이상 받고 싶지 않습니다.",
        reject: "수신거부|수신 거부|수신거부 부탁드립니다|수신거부합니다.|R|수신거부!",
        letters: "메일 잘 받았습니다. 감사합니다.|견적서를 다시 보내 주세요.|구독을 취소하지 마세요.|\
            어떻게 구독 취소하나요?|택배를 보내지 마세요.|어제 주문을 취소해 주세요.|전화하지 마세요.|\
            수신거부를 해제해 주세요.",
        greetings: "안녕하세요,|안녕하세요.",
        thanks: "감사합니다|감사합니다.|고맙습니다",
        signatures: "김민수|박지영\n영업팀",
        footers: "나의 iPhone에서 보냄|내 Galaxy에서 보냄|Android용 Outlook 다운로드<https://aka.ms/AAb9ysg>",
        disclaimer: "본 메일은 기밀 정보를 포함할 수 있으며, 잘못 수신하신 경우 즉시 삭제하고 발신자에게 알려 주시기 바랍니다.",
        wrote: "{Y}년 {m}월 {d}일 (화) 오전 {H}:{M}, {who}님이 작성:|{Y}. {m}. {d}. 오전 {H}:{M}, {who} 작성:|\
            {Y}년 {m}월 {d}일 화요일 오전 {H}시 {M}분 7초 GMT+9, {who}님이 작성:|\
            {Y}-{m}-{d} 오전 {H}:{M}에 {name} 이(가) 쓴 글:",
        labels: ["보낸 사람", "보낸 날짜", "받는 사람", "제목"],
        date: "{Y}년 {m}월 {d}일 화요일 오전 {H}:{M}",
        original: "Original Message|원본 메일|원본 메시지",
        charsets: &["euc-kr", "ks_c_5601-1987", "cp949"],
    },
    Tongue {
        code: "de",
        leave: "Abmelden|ABMELDEN!|abmelden bitte|Stopp|Bitte abmelden|Abbestellen|Austragen|T|\
            Newsletter abbestellen|„Abmelden“|Abmeldung|Bitte austragen.",
        ask: "Bitte nehmen Sie mich aus Ihrem Verteiler.|Ich möchte keine weiteren Newsletter erhalten.|\
            Bitte löschen Sie meine Adresse aus Ihrer Liste.|Hiermit bestelle ich den Newsletter ab.|\
            Könnten Sie mich bitte vom Newsletter abmelden?|Bitte schicken Sie mir keine Werbung mehr.|\
            Ich bitte darum, mich aus der Liste zu streichen.",
        reject: "R|Reject|R.",
        letters: "Vielen Dank, ich melde mich nächste Woche.|Wie kann ich mich abmelden?|\
            Bitte stornieren Sie meine Bestellung.|Ich möchte mich nicht abmelden.|\
            Können Sie mir die Rechnung noch einmal schicken?|Bitte rufen Sie mich nicht mehr an.|\
            Meine letzte Antwort war ein Versehen, bitte nicht abmelden.|Wann sind Sie auf der Messe?|\
            Der Link zum Abmelden funktioniert nicht.|Bitte die Lieferung stoppen.",
        greetings: "Hallo,|Guten Tag,|Sehr geehrte Damen und Herren,|Moin,",
        thanks: "Danke|Vielen Dank|Mit freundlichen Grüßen|Viele Grüße|MfG|LG",
        signatures: "Jürgen|Petra Schäfer\nEinkauf",
        footers: "Von meinem iPhone gesendet|Gesendet mit der WEB.DE Mail App|Gesendet von Outlook für iOS<https://aka.ms/o0ukef>|Von meinem/meiner Galaxy gesendet",
        disclaimer: "Diese E-Mail enthält vertrauliche Informationen. Wenn Sie nicht der richtige Adressat sind, \
            informieren Sie bitte den Absender und löschen Sie diese Mail.",
        wrote: "Am Di., {d}. Jan. {Y} um {H}:{M} Uhr schrieb {who}:|Am {d}.{m}.{Y} um {H}:{M} schrieb {who}:|\
            Am {d}.{m}.{y} um {H}:{M} schrieb {name}:|\
            Am Dienstag, {d}. Januar {Y} um {H}:{M}:07 MEZ hat {who} Folgendes geschrieben:|\
            {name} schrieb am {d}.{m}.{Y} um {H}:{M}:|Am {Y}-{m}-{d} {H}:{M}, schrieb {name}:|\
            Zitat von {who}:|Am Dienstag, {d}. Januar {Y}, {H}:{M}:07 schrieb {name}:",
        labels: ["Von", "Gesendet", "An", "Betreff"],
        date: "Dienstag, {d}. Januar {Y} {H}:{M}",
        original: "Ursprüngliche Nachricht|Originalnachricht|Weitergeleitete Nachricht",
        charsets: LATIN,
    },
    Tongue {
        code: "fr",
        leave: "Désabonner|DESABONNER|STOP|Stop svp|Désinscription|Me désabonner|Désabonnez-moi|\
            Désinscrire|Arrêt|T|« STOP »|Désabonnement s'il vous plaît",
        ask: "Merci de me retirer de votre liste de diffusion.|Je ne souhaite plus recevoir vos courriels.|\
            Pourriez-vous me désabonner de cette newsletter ?|Veuillez supprimer mon adresse de votre base.|\
            Merci de ne plus m'envoyer de publicité.|Arrêtez de m'envoyer des mails.|\
            Je voudrais me désinscrire de votre lettre d'information.",
        reject: "R|Reject",
        letters: "Merci, bien reçu.|Comment faire pour se désabonner ?|Je ne veux pas me désabonner.|\
            Pouvez-vous m'envoyer un devis ?|Merci d'annuler ma commande.|Ne m'appelez plus, s'il vous plaît.|\
            Mon dernier message était une erreur.|Le colis n'est pas arrivé.|À quelle heure est la réunion ?",
        greetings: "Bonjour,|Bonsoir,|Madame, Monsieur,",
        thanks: "Merci|Cordialement,|Merci d'avance|Bien à vous",
        signatures: "Élodie|Jean-François Lefèvre\nAchats",
        footers: "Envoyé de mon iPhone|Envoyé depuis mon appareil Galaxy|Télécharger Outlook pour Android<https://aka.ms/AAb9ysg>",
        disclaimer: "Ce message est confidentiel. S'il ne vous est pas destiné, merci de le supprimer et d'en \
            avertir l'expéditeur.",
        wrote: "Le mar. {d} janv. {Y} à {H}:{M}, {who} a écrit :|Le {d} janv. {Y} à {H}:{M}, {who} a écrit :|\
            Le {d}/{m}/{Y} à {H}:{M}, {name} a écrit :|\
            Le mardi {d} janvier {Y} à {H}:{M}:07 UTC+1, {who} a écrit :|Le {Y}-{m}-{d} {H}:{M}, {name} a écrit :|\
            {name} <{address}> a écrit le {d}/{m}/{Y} {H}:{M}:",
        labels: ["De", "Envoyé", "À", "Objet"],
        date: "mardi {d} janvier {Y} {H}:{M}",
        original: "Message d'origine|Message original|Mail original|Message transféré",
        charsets: LATIN,
    },
];
