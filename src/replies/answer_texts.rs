//! What we say to people, in their languages: that a wish was done and how to undo it, whether words in
//! their name were theirs, and what can be asked for. One row a language; `{sender}`, `{stream}` and
//! `{hours}` stand for names and a number.

/// The sentences of one language.
pub(super) struct Texts {
    /// The language, as BCP 47 has it.
    pub(super) tag: &'static str,
    /// A stream was stopped.
    pub(super) stopped: &'static str,
    /// All of an account's marketing was.
    pub(super) stopped_all: &'static str,
    /// What a stopped stream leaves.
    pub(super) others: &'static str,
    /// What nobody can stop.
    pub(super) goes_on: &'static str,
    /// The way back; a link follows.
    pub(super) undo: &'static str,
    /// A person came back.
    pub(super) returned: &'static str,
    /// The subject of a question whether words were the person's.
    pub(super) asked_subject: &'static str,
    /// The question.
    pub(super) asked: &'static str,
    /// How to say yes; a link follows.
    pub(super) asked_yes: &'static str,
    /// How to say no.
    pub(super) asked_no: &'static str,
    /// What the person gets.
    pub(super) help: &'static str,
    /// What can be answered: one line each, behind the word to answer with.
    pub(super) help_words: [(&'static str, &'static str); 3],
    /// The page that does the same; a link follows.
    pub(super) help_page: &'static str,
}

/// Every language that is spoken; the first where no other is known.
pub(super) const TEXTS: &[Texts] = &[
    Texts {
        tag: "en",
        stopped: "Done: {sender} will not send you “{stream}” any more.",
        stopped_all: "Done: {sender} will not send you newsletters or offers any more.",
        others: "Other mail from {sender} is not affected. To end all its newsletters and offers, answer with R.",
        goes_on: "Mail about your own orders or your account with {sender} may still come.",
        undo: "Was that a mistake? You can undo it for {hours} hours here:",
        returned: "Done: {sender} may send you “{stream}” again. To stop it, answer with T.",
        asked_subject: "Please confirm: no more mail from {sender}?",
        asked: "Somebody, perhaps you, asked in your name that {sender} send no more mail to this address. We could not tell whether it was you, so nothing has been changed.",
        asked_yes: "If it was you, answer this message with R, or confirm it here:",
        asked_no: "If it was not you, you need not do anything.",
        help: "You get “{stream}” from {sender}. Answer this message with one of these words:",
        help_words: [
            ("T", "no more “{stream}”"),
            ("R", "no more newsletters or offers from {sender}"),
            ("START", "“{stream}” again"),
        ],
        help_page: "Or choose here:",
    },
    Texts {
        tag: "zh-Hans",
        stopped: "已为您退订：{sender} 不会再向您发送“{stream}”。",
        stopped_all: "已为您退订：{sender} 不会再向您发送推广邮件。",
        others: "{sender} 的其他邮件不受影响。如需退订其全部推广邮件，请回复 R。",
        goes_on: "与您的订单或账户有关的 {sender} 邮件可能仍会发送。",
        undo: "如果是误操作，您可以在 {hours} 小时内在此撤销：",
        returned: "已为您恢复：{sender} 可以再次向您发送“{stream}”。如需退订，请回复 T。",
        asked_subject: "请确认：不再接收 {sender} 的邮件？",
        asked: "有人（可能是您本人）以您的名义要求 {sender} 不再向此地址发送邮件。我们无法确定是否为您本人，因此尚未作任何更改。",
        asked_yes: "如果是您本人，请用 R 回复本邮件，或在此确认：",
        asked_no: "如果不是您本人，无需任何操作。",
        help: "您正在接收 {sender} 的“{stream}”。请用以下字母或单词回复本邮件：",
        help_words: [
            ("T", "不再接收“{stream}”"),
            ("R", "不再接收 {sender} 的任何推广邮件"),
            ("START", "重新接收“{stream}”"),
        ],
        help_page: "也可以在此选择：",
    },
    Texts {
        tag: "zh-Hant",
        stopped: "已為您取消訂閱：{sender} 不會再向您寄送「{stream}」。",
        stopped_all: "已為您取消訂閱：{sender} 不會再向您寄送推廣郵件。",
        others: "{sender} 的其他郵件不受影響。如需取消其全部推廣郵件，請回覆 R。",
        goes_on: "與您的訂單或帳戶有關的 {sender} 郵件可能仍會寄送。",
        undo: "如果是誤操作，您可以在 {hours} 小時內在此復原：",
        returned: "已為您恢復：{sender} 可以再次向您寄送「{stream}」。如需取消訂閱，請回覆 T。",
        asked_subject: "請確認：不再接收 {sender} 的郵件？",
        asked: "有人（可能是您本人）以您的名義要求 {sender} 不再向此地址寄送郵件。我們無法確定是否為您本人，因此尚未作任何變更。",
        asked_yes: "如果是您本人，請以 R 回覆本郵件，或在此確認：",
        asked_no: "如果不是您本人，無需任何操作。",
        help: "您正在接收 {sender} 的「{stream}」。請用以下字母或單字回覆本郵件：",
        help_words: [
            ("T", "不再接收「{stream}」"),
            ("R", "不再接收 {sender} 的任何推廣郵件"),
            ("START", "重新接收「{stream}」"),
        ],
        help_page: "也可以在此選擇：",
    },
    Texts {
        tag: "ja",
        stopped: "配信を停止しました。{sender} から「{stream}」は今後届きません。",
        stopped_all: "配信を停止しました。{sender} からのお知らせや広告は今後届きません。",
        others: "{sender} からのその他のメールには影響しません。すべてのお知らせや広告を停止するには、R と返信してください。",
        goes_on: "ご注文やアカウントに関する {sender} からのメールは引き続き届くことがあります。",
        undo: "お間違いの場合は、{hours} 時間以内であればこちらで取り消せます：",
        returned: "配信を再開しました。{sender} から「{stream}」が再び届きます。停止するには T と返信してください。",
        asked_subject: "ご確認ください：{sender} からのメールを停止しますか",
        asked: "どなたか（あなたかもしれません）があなたのお名前で、このアドレスへの {sender} からのメールの停止を求めました。ご本人か確認できなかったため、まだ何も変更していません。",
        asked_yes: "ご本人の場合は、このメールに R と返信するか、こちらで確認してください：",
        asked_no: "お心当たりがない場合は、何もする必要はありません。",
        help: "{sender} から「{stream}」が届いています。次のいずれかの文字をこのメールに返信してください。",
        help_words: [
            ("T", "「{stream}」を停止"),
            ("R", "{sender} からのお知らせや広告をすべて停止"),
            ("START", "「{stream}」を再開"),
        ],
        help_page: "こちらのページでも選べます：",
    },
    Texts {
        tag: "ko",
        stopped: "처리되었습니다. {sender}에서 “{stream}” 메일을 더 이상 보내지 않습니다.",
        stopped_all: "처리되었습니다. {sender}에서 소식지나 광고 메일을 더 이상 보내지 않습니다.",
        others: "{sender}의 다른 메일에는 영향이 없습니다. 소식지와 광고 메일을 모두 거부하려면 R로 회신하세요.",
        goes_on: "주문이나 계정에 관한 {sender}의 메일은 계속 올 수 있습니다.",
        undo: "실수였다면 {hours}시간 안에 여기에서 취소할 수 있습니다:",
        returned: "처리되었습니다. {sender}에서 “{stream}” 메일을 다시 보냅니다. 거부하려면 T로 회신하세요.",
        asked_subject: "확인해 주세요: {sender}의 메일을 그만 받으시겠습니까?",
        asked: "누군가(본인일 수도 있습니다) 귀하의 이름으로 {sender}에 이 주소로 메일을 보내지 말 것을 요청했습니다. 본인인지 확인할 수 없어 아직 아무것도 변경하지 않았습니다.",
        asked_yes: "본인이라면 이 메일에 R로 회신하거나 여기에서 확인해 주세요:",
        asked_no: "본인이 아니라면 아무것도 하지 않으셔도 됩니다.",
        help: "{sender}의 “{stream}” 메일을 받고 계십니다. 이 메일에 다음 중 하나로 회신하세요:",
        help_words: [
            ("T", "“{stream}” 수신 거부"),
            ("R", "{sender}의 모든 소식지와 광고 수신 거부"),
            ("START", "“{stream}” 다시 받기"),
        ],
        help_page: "여기에서 선택할 수도 있습니다:",
    },
    Texts {
        tag: "de",
        stopped: "Erledigt: {sender} schickt Ihnen „{stream}“ nicht mehr.",
        stopped_all: "Erledigt: {sender} schickt Ihnen keine Newsletter und Angebote mehr.",
        others: "Andere Post von {sender} ist davon nicht betroffen. Um alle Newsletter und Angebote zu beenden, antworten Sie mit R.",
        goes_on: "Post zu Ihren Bestellungen oder Ihrem Konto bei {sender} kann weiterhin kommen.",
        undo: "War das ein Versehen? Hier lässt es sich {hours} Stunden lang rückgängig machen:",
        returned: "Erledigt: {sender} darf Ihnen „{stream}“ wieder schicken. Zum Beenden antworten Sie mit T.",
        asked_subject: "Bitte bestätigen: keine Post mehr von {sender}?",
        asked: "Jemand, vielleicht Sie selbst, hat in Ihrem Namen verlangt, dass {sender} keine Post mehr an diese Adresse schickt. Ob Sie es waren, ließ sich nicht feststellen; deshalb wurde nichts geändert.",
        asked_yes: "Wenn Sie es waren, antworten Sie auf diese Nachricht mit R, oder bestätigen Sie es hier:",
        asked_no: "Wenn nicht, brauchen Sie nichts zu tun.",
        help: "Sie erhalten „{stream}“ von {sender}. Antworten Sie auf diese Nachricht mit einem dieser Wörter:",
        help_words: [
            ("T", "„{stream}“ nicht mehr"),
            ("R", "keine Newsletter und Angebote mehr von {sender}"),
            ("START", "„{stream}“ wieder"),
        ],
        help_page: "Oder wählen Sie hier:",
    },
    Texts {
        tag: "fr",
        stopped: "C’est fait : {sender} ne vous enverra plus « {stream} ».",
        stopped_all: "C’est fait : {sender} ne vous enverra plus ni lettres d’information ni offres.",
        others: "Les autres messages de {sender} ne sont pas concernés. Pour ne plus recevoir aucune lettre ni offre, répondez R.",
        goes_on: "Des messages sur vos commandes ou votre compte chez {sender} peuvent encore arriver.",
        undo: "Était-ce une erreur ? Vous pouvez l’annuler ici pendant {hours} heures :",
        returned: "C’est fait : {sender} peut de nouveau vous envoyer « {stream} ». Pour l’arrêter, répondez T.",
        asked_subject: "Veuillez confirmer : plus de messages de {sender} ?",
        asked: "Quelqu’un, peut-être vous, a demandé en votre nom que {sender} n’envoie plus de messages à cette adresse. Nous n’avons pas pu savoir si c’était vous ; rien n’a donc été changé.",
        asked_yes: "Si c’était vous, répondez R à ce message, ou confirmez ici :",
        asked_no: "Sinon, vous n’avez rien à faire.",
        help: "Vous recevez « {stream} » de {sender}. Répondez à ce message par l’un de ces mots :",
        help_words: [
            ("T", "ne plus recevoir « {stream} »"),
            ("R", "plus aucune lettre ni offre de {sender}"),
            ("START", "recevoir de nouveau « {stream} »"),
        ],
        help_page: "Ou choisissez ici :",
    },
    Texts {
        tag: "es",
        stopped: "Hecho: {sender} ya no le enviará «{stream}».",
        stopped_all: "Hecho: {sender} ya no le enviará boletines ni ofertas.",
        others: "Los demás mensajes de {sender} no cambian. Para dejar de recibir todos sus boletines y ofertas, responda R.",
        goes_on: "Pueden seguir llegando mensajes sobre sus pedidos o su cuenta en {sender}.",
        undo: "¿Fue un error? Puede deshacerlo aquí durante {hours} horas:",
        returned: "Hecho: {sender} puede enviarle de nuevo «{stream}». Para dejar de recibirlo, responda T.",
        asked_subject: "Confirme, por favor: ¿no más mensajes de {sender}?",
        asked: "Alguien, quizá usted, pidió en su nombre que {sender} no envíe más mensajes a esta dirección. No pudimos saber si fue usted, así que no se ha cambiado nada.",
        asked_yes: "Si fue usted, responda a este mensaje con R o confírmelo aquí:",
        asked_no: "Si no fue usted, no tiene que hacer nada.",
        help: "Usted recibe «{stream}» de {sender}. Responda a este mensaje con una de estas palabras:",
        help_words: [
            ("T", "no recibir más «{stream}»"),
            ("R", "no recibir más boletines ni ofertas de {sender}"),
            ("START", "recibir «{stream}» de nuevo"),
        ],
        help_page: "O elija aquí:",
    },
    Texts {
        tag: "pt",
        stopped: "Feito: {sender} não lhe enviará mais “{stream}”.",
        stopped_all: "Feito: {sender} não lhe enviará mais boletins nem ofertas.",
        others: "As outras mensagens de {sender} não são afetadas. Para não receber mais nenhum boletim ou oferta, responda R.",
        goes_on: "Mensagens sobre os seus pedidos ou a sua conta em {sender} ainda podem chegar.",
        undo: "Foi um engano? Pode desfazê-lo aqui durante {hours} horas:",
        returned: "Feito: {sender} pode enviar-lhe “{stream}” de novo. Para deixar de receber, responda T.",
        asked_subject: "Confirme, por favor: não receber mais mensagens de {sender}?",
        asked: "Alguém, talvez você, pediu em seu nome que {sender} não envie mais mensagens para este endereço. Não foi possível saber se foi você, por isso nada foi alterado.",
        asked_yes: "Se foi você, responda a esta mensagem com R ou confirme aqui:",
        asked_no: "Se não foi você, não precisa de fazer nada.",
        help: "Você recebe “{stream}” de {sender}. Responda a esta mensagem com uma destas palavras:",
        help_words: [
            ("T", "não receber mais “{stream}”"),
            ("R", "não receber mais boletins nem ofertas de {sender}"),
            ("START", "receber “{stream}” de novo"),
        ],
        help_page: "Ou escolha aqui:",
    },
    Texts {
        tag: "it",
        stopped: "Fatto: {sender} non le invierà più “{stream}”.",
        stopped_all: "Fatto: {sender} non le invierà più newsletter né offerte.",
        others: "Gli altri messaggi di {sender} non cambiano. Per non ricevere più nessuna newsletter o offerta, risponda R.",
        goes_on: "Possono ancora arrivare messaggi sui suoi ordini o sul suo account presso {sender}.",
        undo: "È stato un errore? Può annullarlo qui per {hours} ore:",
        returned: "Fatto: {sender} può inviarle di nuovo “{stream}”. Per non riceverla più, risponda T.",
        asked_subject: "Confermi, per favore: nessun altro messaggio da {sender}?",
        asked: "Qualcuno, forse lei, ha chiesto a suo nome che {sender} non invii più messaggi a questo indirizzo. Non è stato possibile sapere se fosse lei, quindi nulla è cambiato.",
        asked_yes: "Se era lei, risponda a questo messaggio con R o confermi qui:",
        asked_no: "Se non era lei, non deve fare nulla.",
        help: "Lei riceve “{stream}” da {sender}. Risponda a questo messaggio con una di queste parole:",
        help_words: [
            ("T", "non ricevere più “{stream}”"),
            ("R", "non ricevere più newsletter né offerte da {sender}"),
            ("START", "ricevere di nuovo “{stream}”"),
        ],
        help_page: "Oppure scelga qui:",
    },
    Texts {
        tag: "nl",
        stopped: "Geregeld: {sender} stuurt u „{stream}” niet meer.",
        stopped_all: "Geregeld: {sender} stuurt u geen nieuwsbrieven en aanbiedingen meer.",
        others: "Andere berichten van {sender} veranderen niet. Antwoord met R om alle nieuwsbrieven en aanbiedingen te stoppen.",
        goes_on: "Berichten over uw bestellingen of uw account bij {sender} kunnen nog komen.",
        undo: "Was het een vergissing? U kunt het hier {hours} uur lang ongedaan maken:",
        returned: "Geregeld: {sender} mag u „{stream}” weer sturen. Antwoord met T om het te stoppen.",
        asked_subject: "Graag bevestigen: geen berichten meer van {sender}?",
        asked: "Iemand, misschien uzelf, heeft namens u gevraagd dat {sender} geen berichten meer naar dit adres stuurt. We konden niet vaststellen of u het was; daarom is er niets veranderd.",
        asked_yes: "Was u het, antwoord dan op dit bericht met R, of bevestig het hier:",
        asked_no: "Was u het niet, dan hoeft u niets te doen.",
        help: "U ontvangt „{stream}” van {sender}. Antwoord op dit bericht met een van deze woorden:",
        help_words: [
            ("T", "geen „{stream}” meer"),
            ("R", "geen nieuwsbrieven en aanbiedingen meer van {sender}"),
            ("START", "weer „{stream}”"),
        ],
        help_page: "Of kies hier:",
    },
    Texts {
        tag: "ru",
        stopped: "Готово: {sender} больше не будет присылать вам «{stream}».",
        stopped_all: "Готово: {sender} больше не будет присылать вам рассылки и предложения.",
        others: "Другие письма от {sender} это не затрагивает. Чтобы отказаться от всех рассылок и предложений, ответьте R.",
        goes_on: "Письма о ваших заказах или учётной записи в {sender} могут приходить и дальше.",
        undo: "Это была ошибка? Отменить можно здесь в течение {hours} часов:",
        returned: "Готово: {sender} снова может присылать вам «{stream}». Чтобы отказаться, ответьте T.",
        asked_subject: "Подтвердите, пожалуйста: больше не получать писем от {sender}?",
        asked: "Кто-то, возможно вы, попросил от вашего имени, чтобы {sender} больше не присылал писем на этот адрес. Мы не смогли установить, вы ли это, поэтому ничего не изменено.",
        asked_yes: "Если это были вы, ответьте на это письмо R или подтвердите здесь:",
        asked_no: "Если это были не вы, ничего делать не нужно.",
        help: "Вы получаете «{stream}» от {sender}. Ответьте на это письмо одним из слов:",
        help_words: [
            ("T", "больше не получать «{stream}»"),
            ("R", "больше не получать рассылки и предложения от {sender}"),
            ("START", "снова получать «{stream}»"),
        ],
        help_page: "Или выберите здесь:",
    },
    Texts {
        tag: "pl",
        stopped: "Gotowe: {sender} nie będzie już wysyłać Państwu „{stream}”.",
        stopped_all: "Gotowe: {sender} nie będzie już wysyłać Państwu biuletynów ani ofert.",
        others: "Inne wiadomości od {sender} pozostają bez zmian. Aby zrezygnować ze wszystkich biuletynów i ofert, proszę odpowiedzieć R.",
        goes_on: "Wiadomości o zamówieniach lub koncie w {sender} mogą nadal przychodzić.",
        undo: "Czy to pomyłka? Można to cofnąć tutaj przez {hours} godziny:",
        returned: "Gotowe: {sender} może znowu wysyłać Państwu „{stream}”. Aby zrezygnować, proszę odpowiedzieć T.",
        asked_subject: "Prosimy o potwierdzenie: koniec wiadomości od {sender}?",
        asked: "Ktoś, być może Państwo, poprosił w Państwa imieniu, aby {sender} nie wysyłał już wiadomości na ten adres. Nie udało się ustalić, czy to byli Państwo, więc nic nie zmieniono.",
        asked_yes: "Jeśli tak, proszę odpowiedzieć na tę wiadomość R albo potwierdzić tutaj:",
        asked_no: "Jeśli nie, nie trzeba nic robić.",
        help: "Otrzymują Państwo „{stream}” od {sender}. Proszę odpowiedzieć na tę wiadomość jednym ze słów:",
        help_words: [
            ("T", "bez „{stream}”"),
            ("R", "bez biuletynów i ofert od {sender}"),
            ("START", "znowu „{stream}”"),
        ],
        help_page: "Albo wybrać tutaj:",
    },
];

/// The languages in which people are answered, as BCP 47 has them.
pub fn languages() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|texts| texts.tag)
}

/// The sentences in a language, by its whole tag or by what it begins with; English where there are
/// none.
pub(super) fn texts(tag: &str) -> &'static Texts {
    let is = |texts: &&Texts| {
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        texts.tag.eq_ignore_ascii_case(tag) || primary(texts.tag) == primary(tag)
    };
    // Where Chinese is written in the old characters says so by the place alone.
    let tag = match tag.to_ascii_lowercase().as_str() {
        "zh-tw" | "zh-hk" | "zh-mo" | "zh-hant-tw" | "zh-hant-hk" => "zh-Hant",
        _ => tag,
    };
    let whole = TEXTS.iter().find(|texts| texts.tag.eq_ignore_ascii_case(tag));
    whole.or_else(|| TEXTS.iter().find(is)).unwrap_or(&TEXTS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_says_who_what_and_how_long() {
        assert_eq!(TEXTS.len(), 13);
        for texts in TEXTS {
            let tag = texts.tag;
            for (text, names) in [
                (texts.stopped, &["{sender}", "{stream}"][..]),
                (texts.stopped_all, &["{sender}"]),
                (texts.others, &["{sender}", "R"]),
                (texts.goes_on, &["{sender}"]),
                (texts.undo, &["{hours}"]),
                (texts.returned, &["{sender}", "{stream}", "T"]),
                (texts.asked_subject, &["{sender}"]),
                (texts.asked, &["{sender}"]),
                (texts.asked_yes, &["R"]),
                (texts.help, &["{sender}", "{stream}"]),
            ] {
                assert!(names.iter().all(|name| text.contains(name)), "{tag}: {text}");
            }
            let words: Vec<_> = texts.help_words.iter().map(|(word, _)| *word).collect();
            assert_eq!(words, ["T", "R", "START"], "{tag}");
        }
    }

    #[test]
    fn a_tag_finds_its_language() {
        for (tag, found) in [
            ("de-AT", "de"),
            ("ZH-tw", "zh-Hant"),
            ("zh", "zh-Hans"),
            ("zh-Hant", "zh-Hant"),
            ("pt-BR", "pt"),
            ("xx", "en"),
            ("", "en"),
        ] {
            assert_eq!(texts(tag).tag, found, "{tag}");
        }
    }
}
