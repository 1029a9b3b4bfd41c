//! What a person is asked who is to confirm a consent, by mail and on the page that the mail leads to, in
//! the languages of the answers and two that are written from the right. `{sender}`, `{stream}`, `{address}` and `{days}` stand for what they say.
//! Whoever changes what is agreed to changes [`VERSION`] too: it stands in the evidence.

/// Which version of the words a person has agreed to.
pub const VERSION: &str = "confirmation 1";

/// The sentences of one language.
pub struct ConsentTexts {
    /// The language, as BCP 47 has it.
    pub tag: &'static str,
    /// The mail's subject, and the page's heading.
    pub subject: &'static str,
    /// Who asks for what.
    pub asked: &'static str,
    /// How to agree; a link follows.
    pub confirm: &'static str,
    /// How not to.
    pub ignore: &'static str,
    /// What is agreed to: the evidence repeats it.
    pub agree: &'static str,
    /// The button.
    pub button: &'static str,
    /// It is done.
    pub done: &'static str,
    /// What holds then.
    pub done_more: &'static str,
    /// The link leads nowhere any more.
    pub gone: &'static str,
    /// Why.
    pub gone_more: &'static str,
}

/// Every language that is spoken; the first where no other is known.
const TEXTS: &[ConsentTexts] = &[
    ConsentTexts {
        tag: "en",
        subject: "Do you want “{stream}” from {sender}?",
        asked: "Somebody, perhaps you, asked that {sender} send “{stream}” to this address. Nothing will be sent unless you agree.",
        confirm: "If you agree, confirm it here within {days} days:",
        ignore: "If not, you need not do anything.",
        agree: "Yes, {sender} may send “{stream}” to {address}.",
        button: "Yes, I agree",
        done: "Thank you",
        done_more: "{sender} may now send you “{stream}”. You can stop it at any time.",
        gone: "This link is no longer valid",
        gone_more: "It is too old, or you have decided otherwise since. The sender can ask you again.",
    },
    ConsentTexts {
        tag: "zh-Hans",
        subject: "您是否愿意接收 {sender} 的“{stream}”？",
        asked: "有人（可能是您本人）请求 {sender} 向此地址发送“{stream}”。未经您同意，不会发送任何邮件。",
        confirm: "如果您同意，请在 {days} 天内在此确认：",
        ignore: "如果不同意，无需任何操作。",
        agree: "是的，{sender} 可以向 {address} 发送“{stream}”。",
        button: "是的，我同意",
        done: "谢谢",
        done_more: "{sender} 现在可以向您发送“{stream}”。您可以随时退订。",
        gone: "此链接已失效",
        gone_more: "链接已过期，或者您之后作出了其他选择。发件人可以再次询问您。",
    },
    ConsentTexts {
        tag: "zh-Hant",
        subject: "您是否願意接收 {sender} 的「{stream}」？",
        asked: "有人（可能是您本人）請求 {sender} 向此地址寄送「{stream}」。未經您同意，不會寄送任何郵件。",
        confirm: "如果您同意，請在 {days} 天內在此確認：",
        ignore: "如果不同意，無需任何操作。",
        agree: "是的，{sender} 可以向 {address} 寄送「{stream}」。",
        button: "是的，我同意",
        done: "謝謝",
        done_more: "{sender} 現在可以向您寄送「{stream}」。您可以隨時取消訂閱。",
        gone: "此連結已失效",
        gone_more: "連結已過期，或者您之後作出了其他選擇。寄件人可以再次詢問您。",
    },
    ConsentTexts {
        tag: "ja",
        subject: "{sender} からの「{stream}」の受信をご希望ですか",
        asked: "どなたか（あなたかもしれません）が、このアドレスへの {sender} からの「{stream}」の配信を申し込みました。ご同意がない限り、何もお送りしません。",
        confirm: "同意される場合は、{days} 日以内にこちらで確認してください：",
        ignore: "同意されない場合は、何もする必要はありません。",
        agree: "はい、{sender} が {address} に「{stream}」を送ることに同意します。",
        button: "はい、同意します",
        done: "ありがとうございます",
        done_more: "{sender} から「{stream}」が届くようになりました。いつでも停止できます。",
        gone: "このリンクは無効です",
        gone_more: "期限が切れたか、その後に別の選択をされました。送信者はもう一度お尋ねすることができます。",
    },
    ConsentTexts {
        tag: "ko",
        subject: "{sender}의 “{stream}” 메일을 받으시겠습니까?",
        asked: "누군가(본인일 수도 있습니다) {sender}의 “{stream}” 메일을 이 주소로 보내 달라고 신청했습니다. 동의하지 않으시면 아무것도 보내지 않습니다.",
        confirm: "동의하시면 {days}일 안에 여기에서 확인해 주세요:",
        ignore: "동의하지 않으시면 아무것도 하지 않으셔도 됩니다.",
        agree: "예, {sender}에서 {address}(으)로 “{stream}” 메일을 보내도 됩니다.",
        button: "예, 동의합니다",
        done: "감사합니다",
        done_more: "이제 {sender}에서 “{stream}” 메일을 보내 드립니다. 언제든지 거부할 수 있습니다.",
        gone: "이 링크는 더 이상 유효하지 않습니다",
        gone_more: "기한이 지났거나 그 뒤에 다른 선택을 하셨습니다. 발신자가 다시 여쭤볼 수 있습니다.",
    },
    ConsentTexts {
        tag: "de",
        subject: "Möchten Sie „{stream}“ von {sender}?",
        asked: "Jemand, vielleicht Sie selbst, hat {sender} gebeten, „{stream}“ an diese Adresse zu schicken. Ohne Ihre Zustimmung wird nichts verschickt.",
        confirm: "Wenn Sie zustimmen, bestätigen Sie es hier innerhalb von {days} Tagen:",
        ignore: "Wenn nicht, brauchen Sie nichts zu tun.",
        agree: "Ja, {sender} darf „{stream}“ an {address} schicken.",
        button: "Ja, ich stimme zu",
        done: "Danke",
        done_more: "{sender} darf Ihnen jetzt „{stream}“ schicken. Sie können das jederzeit beenden.",
        gone: "Dieser Link gilt nicht mehr",
        gone_more: "Er ist zu alt, oder Sie haben sich seitdem anders entschieden. Der Absender kann Sie noch einmal fragen.",
    },
    ConsentTexts {
        tag: "fr",
        subject: "Voulez-vous recevoir « {stream} » de {sender} ?",
        asked: "Quelqu’un, peut-être vous, a demandé que {sender} envoie « {stream} » à cette adresse. Rien ne sera envoyé sans votre accord.",
        confirm: "Si vous êtes d’accord, confirmez-le ici dans les {days} jours :",
        ignore: "Sinon, vous n’avez rien à faire.",
        agree: "Oui, {sender} peut envoyer « {stream} » à {address}.",
        button: "Oui, je suis d’accord",
        done: "Merci",
        done_more: "{sender} peut maintenant vous envoyer « {stream} ». Vous pouvez l’arrêter à tout moment.",
        gone: "Ce lien n’est plus valable",
        gone_more: "Il est trop ancien, ou vous avez changé d’avis depuis. L’expéditeur peut vous le redemander.",
    },
    ConsentTexts {
        tag: "es",
        subject: "¿Quiere recibir «{stream}» de {sender}?",
        asked: "Alguien, quizá usted, pidió que {sender} envíe «{stream}» a esta dirección. No se enviará nada sin su consentimiento.",
        confirm: "Si está de acuerdo, confírmelo aquí en un plazo de {days} días:",
        ignore: "Si no, no tiene que hacer nada.",
        agree: "Sí, {sender} puede enviar «{stream}» a {address}.",
        button: "Sí, acepto",
        done: "Gracias",
        done_more: "{sender} puede enviarle ahora «{stream}». Puede dejar de recibirlo en cualquier momento.",
        gone: "Este enlace ya no es válido",
        gone_more: "Es demasiado antiguo, o usted decidió otra cosa después. El remitente puede volver a preguntarle.",
    },
    ConsentTexts {
        tag: "pt",
        subject: "Quer receber “{stream}” de {sender}?",
        asked: "Alguém, talvez você, pediu que {sender} envie “{stream}” para este endereço. Nada será enviado sem o seu consentimento.",
        confirm: "Se concorda, confirme aqui no prazo de {days} dias:",
        ignore: "Se não, não precisa de fazer nada.",
        agree: "Sim, {sender} pode enviar “{stream}” para {address}.",
        button: "Sim, concordo",
        done: "Obrigado",
        done_more: "{sender} pode agora enviar-lhe “{stream}”. Pode deixar de receber a qualquer momento.",
        gone: "Esta ligação já não é válida",
        gone_more: "É demasiado antiga, ou você decidiu outra coisa depois. O remetente pode perguntar de novo.",
    },
    ConsentTexts {
        tag: "it",
        subject: "Desidera ricevere “{stream}” da {sender}?",
        asked: "Qualcuno, forse lei, ha chiesto che {sender} invii “{stream}” a questo indirizzo. Senza il suo consenso non verrà inviato nulla.",
        confirm: "Se è d’accordo, confermi qui entro {days} giorni:",
        ignore: "Se non lo è, non deve fare nulla.",
        agree: "Sì, {sender} può inviare “{stream}” a {address}.",
        button: "Sì, sono d’accordo",
        done: "Grazie",
        done_more: "{sender} può ora inviarle “{stream}”. Può interromperla in qualsiasi momento.",
        gone: "Questo link non è più valido",
        gone_more: "È troppo vecchio, o nel frattempo ha deciso diversamente. Il mittente può chiederglielo di nuovo.",
    },
    ConsentTexts {
        tag: "nl",
        subject: "Wilt u „{stream}” van {sender} ontvangen?",
        asked: "Iemand, misschien uzelf, heeft gevraagd dat {sender} „{stream}” naar dit adres stuurt. Zonder uw toestemming wordt er niets gestuurd.",
        confirm: "Als u akkoord gaat, bevestig het dan hier binnen {days} dagen:",
        ignore: "Zo niet, dan hoeft u niets te doen.",
        agree: "Ja, {sender} mag „{stream}” naar {address} sturen.",
        button: "Ja, ik ga akkoord",
        done: "Dank u",
        done_more: "{sender} mag u nu „{stream}” sturen. U kunt het op elk moment stoppen.",
        gone: "Deze link is niet meer geldig",
        gone_more: "Hij is te oud, of u hebt sindsdien anders besloten. De afzender kan het u opnieuw vragen.",
    },
    ConsentTexts {
        tag: "ru",
        subject: "Хотите получать «{stream}» от {sender}?",
        asked: "Кто-то, возможно вы, попросил {sender} присылать «{stream}» на этот адрес. Без вашего согласия ничего отправлено не будет.",
        confirm: "Если вы согласны, подтвердите это здесь в течение {days} дн.:",
        ignore: "Если нет, ничего делать не нужно.",
        agree: "Да, {sender} может присылать «{stream}» на {address}.",
        button: "Да, согласие даю",
        done: "Спасибо",
        done_more: "Теперь {sender} может присылать вам «{stream}». Отказаться можно в любое время.",
        gone: "Эта ссылка больше не действует",
        gone_more: "Она устарела, или с тех пор вы решили иначе. Отправитель может спросить вас снова.",
    },
    ConsentTexts {
        tag: "pl",
        subject: "Czy chcą Państwo otrzymywać „{stream}” od {sender}?",
        asked: "Ktoś, być może Państwo, poprosił, aby {sender} wysyłał „{stream}” na ten adres. Bez Państwa zgody nic nie zostanie wysłane.",
        confirm: "Jeśli się Państwo zgadzają, proszę potwierdzić tutaj w ciągu {days} dni:",
        ignore: "Jeśli nie, nie trzeba nic robić.",
        agree: "Tak, {sender} może wysyłać „{stream}” na adres {address}.",
        button: "Tak, zgadzam się",
        done: "Dziękujemy",
        done_more: "{sender} może teraz wysyłać Państwu „{stream}”. W każdej chwili można z tego zrezygnować.",
        gone: "Ten odnośnik jest już nieważny",
        gone_more: "Jest zbyt stary albo podjęli Państwo od tego czasu inną decyzję. Nadawca może zapytać ponownie.",
    },
    ConsentTexts {
        tag: "ar",
        subject: "هل تريد تلقي «{stream}» من {sender}؟",
        asked: "طلب شخص ما، وربما أنت، أن يرسل {sender} «{stream}» إلى هذا العنوان. لن يُرسل أي شيء دون موافقتك.",
        confirm: "إذا كنت موافقًا، فأكِّد ذلك هنا خلال {days} أيام:",
        ignore: "إذا لم تكن موافقًا، فلا حاجة إلى القيام بأي شيء.",
        agree: "نعم، يجوز لـ {sender} إرسال «{stream}» إلى {address}.",
        button: "نعم، أوافق",
        done: "شكرًا لك",
        done_more: "يمكن لـ {sender} الآن إرسال «{stream}» إليك. يمكنك إيقاف ذلك في أي وقت.",
        gone: "لم يعد هذا الرابط صالحًا",
        gone_more: "إنه قديم جدًا، أو أنك قررت غير ذلك منذ ذلك الحين. يمكن للمرسل أن يسألك مرة أخرى.",
    },
    ConsentTexts {
        tag: "he",
        subject: "האם ברצונך לקבל את „{stream}” מאת {sender}?",
        asked: "מישהו, ואולי זה היית את או אתה, ביקש ש-{sender} ישלח את „{stream}” לכתובת הזו. דבר לא יישלח ללא הסכמתך.",
        confirm: "אם יש הסכמה, אפשר לאשר כאן בתוך {days} ימים:",
        ignore: "אם לא, אין צורך לעשות דבר.",
        agree: "כן, {sender} רשאי לשלוח את „{stream}” אל {address}.",
        button: "כן, יש הסכמה",
        done: "תודה",
        done_more: "מעכשיו {sender} רשאי לשלוח לך את „{stream}”. אפשר להפסיק בכל עת.",
        gone: "הקישור הזה כבר אינו תקף",
        gone_more: "הוא ישן מדי, או שהתקבלה מאז החלטה אחרת. השולח יכול לשאול שוב.",
    },
];

impl ConsentTexts {
    /// The sentences in a language, by its whole tag or by what it begins with; none where it is not
    /// spoken.
    #[must_use]
    pub fn spoken(tag: &str) -> Option<&'static Self> {
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let tag = match tag.trim().to_ascii_lowercase().as_str() {
            "zh-tw" | "zh-hk" | "zh-mo" | "zh-hant-tw" | "zh-hant-hk" => "zh-Hant".to_owned(),
            tag => tag.to_owned(),
        };
        let whole = TEXTS.iter().find(|texts| texts.tag.eq_ignore_ascii_case(&tag));
        whole.or_else(|| TEXTS.iter().find(|texts| primary(texts.tag) == primary(&tag)))
    }

    /// The same; English where it is not spoken.
    #[must_use]
    pub fn of(tag: &str) -> &'static Self {
        Self::spoken(tag).unwrap_or(&TEXTS[0])
    }
}

/// A sentence with its names put in, each as it is.
#[must_use]
pub fn filled(text: &str, names: &[(&str, &str)]) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len() * 2), text);
    // In one pass, so that a name that looks like a place is none.
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let found = names.iter().find(|(name, _)| {
            from[1..].strip_prefix(name).is_some_and(|after| after.starts_with('}'))
        });
        match found {
            Some((name, value)) => {
                out.push_str(value);
                rest = &from[name.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_of_the_answers_asks_who_for_what_and_until_when() {
        let spoken: Vec<_> = TEXTS.iter().map(|texts| texts.tag).collect();
        let answered: Vec<_> = crate::replies::languages().collect();
        assert_eq!(spoken[..answered.len()], answered);
        assert_eq!(spoken[answered.len()..], ["ar", "he"], "those that are written from the right");
        for texts in TEXTS {
            let tag = texts.tag;
            for (text, names) in [
                (texts.subject, &["{sender}", "{stream}"][..]),
                (texts.asked, &["{sender}", "{stream}"]),
                (texts.confirm, &["{days}"]),
                (texts.agree, &["{sender}", "{stream}", "{address}"]),
                (texts.done_more, &["{sender}", "{stream}"]),
            ] {
                assert!(names.iter().all(|name| text.contains(name)), "{tag}: {text}");
            }
        }
    }

    #[test]
    fn a_tag_finds_its_language() {
        for (tag, found) in [("de-AT", "de"), ("zh-TW", "zh-Hant"), ("zh", "zh-Hans"), ("xx", "en")]
        {
            assert_eq!(ConsentTexts::of(tag).tag, found, "{tag}");
        }
        assert!(ConsentTexts::spoken("xx").is_none());
    }

    #[test]
    fn a_name_that_looks_like_a_place_is_a_name() {
        let names = [("sender", "{stream}"), ("stream", "news")];
        assert_eq!(filled("{sender}: {stream} {x} {", &names), "{stream}: news {x} {");
    }
}
