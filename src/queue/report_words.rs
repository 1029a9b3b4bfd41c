//! The words of reports for people, by language. Each language says the same as English, which stands
//! below it in every report; a new language is a new row.

use super::report::Kind;
use crate::accounts::Language;

/// What a report says in one language.
pub(super) struct Words {
    language: Language,
    /// Subject of a report of failure, then before the recipient, then before the reason.
    failed: [&'static str; 3],
    /// Subject of a report of delay, then before the recipient, then with `{until}` before what was
    /// said last.
    delayed: [&'static str; 3],
    /// Subject of a report that mail was passed on, then before the recipient, then after.
    relayed: [&'static str; 3],
}

impl Words {
    /// The words of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        WORDS.iter().find(|words| words.language == language).unwrap_or(&WORDS[0])
    }

    /// Subject, text before the recipient, text after.
    pub(super) fn about(&self, kind: Kind) -> [&'static str; 3] {
        match kind {
            Kind::Failed => self.failed,
            Kind::Delayed(_) => self.delayed,
            Kind::Relayed => self.relayed,
        }
    }
}

const WORDS: [Words; 12] = [
    Words {
        language: Language::En,
        failed: [
            "Undelivered mail returned to its sender",
            "Your message could not be delivered to",
            "The reason:",
        ],
        delayed: [
            "Mail that is late: it is still tried",
            "Your message could not be delivered yet to",
            "It is tried until {until}; you need not send it again. The last attempt:",
        ],
        relayed: [
            "Mail that was passed on",
            "Your message was taken by the mail server of",
            "Whether that puts it into the mailbox is not told here.",
        ],
    },
    Words {
        language: Language::Zh,
        failed: ["邮件无法送达，已退回发件人", "您的邮件未能送达以下收件人：", "原因："],
        delayed: [
            "邮件延迟：仍在尝试投递",
            "您的邮件尚未送达以下收件人：",
            "系统将继续尝试投递，直至 {until}；您无需重新发送。最近一次尝试的结果：",
        ],
        relayed: [
            "邮件已转交",
            "您的邮件已由以下收件人的邮件服务器接收：",
            "该服务器是否将邮件放入收件箱，本系统无从得知。",
        ],
    },
    Words {
        language: Language::Ja,
        failed: [
            "メールを配信できず、送信者に返送しました",
            "次の宛先にメールを配信できませんでした。",
            "理由：",
        ],
        delayed: [
            "メールの配信が遅れています（再試行中）",
            "次の宛先へのメールはまだ配信されていません。",
            "{until} まで配信を試みますので、再送の必要はありません。直近の試行結果：",
        ],
        relayed: [
            "メールを中継しました",
            "次の宛先のメールサーバーがメールを受け取りました。",
            "メールボックスに届いたかどうかは、こちらでは分かりません。",
        ],
    },
    Words {
        language: Language::Ko,
        failed: [
            "메일을 전달하지 못해 보낸 사람에게 반송합니다",
            "다음 수신자에게 메일을 전달하지 못했습니다:",
            "이유:",
        ],
        delayed: [
            "메일 전달이 지연되고 있으며 계속 시도합니다",
            "다음 수신자에게 메일을 아직 전달하지 못했습니다:",
            "{until}까지 계속 시도하므로 다시 보내실 필요가 없습니다. 마지막 시도 결과:",
        ],
        relayed: [
            "메일을 넘겨주었습니다",
            "다음 수신자의 메일 서버가 메일을 받았습니다:",
            "편지함에 들어갔는지는 여기서 알 수 없습니다.",
        ],
    },
    Words {
        language: Language::De,
        failed: [
            "Unzustellbare Nachricht, zurück an den Absender",
            "Ihre Nachricht konnte nicht zugestellt werden an",
            "Der Grund:",
        ],
        delayed: [
            "Nachricht verspätet: weitere Versuche folgen",
            "Ihre Nachricht konnte noch nicht zugestellt werden an",
            "Die Zustellung wird bis {until} versucht; Sie brauchen die Nachricht nicht noch einmal zu \
             senden. Der letzte Versuch:",
        ],
        relayed: [
            "Nachricht weitergegeben",
            "Ihre Nachricht wurde angenommen vom Mailserver von",
            "Ob er sie ins Postfach legt, ist hier nicht bekannt.",
        ],
    },
    Words {
        language: Language::Fr,
        failed: [
            "Message non remis, retourné à l'expéditeur",
            "Votre message n'a pas pu être remis à",
            "Le motif :",
        ],
        delayed: [
            "Message retardé : les tentatives continuent",
            "Votre message n'a pas encore pu être remis à",
            "Les tentatives continuent jusqu'au {until} ; il est inutile de renvoyer le message. \
             Dernière tentative :",
        ],
        relayed: [
            "Message transmis",
            "Votre message a été accepté par le serveur de messagerie de",
            "Nous ne savons pas s'il l'a déposé dans la boîte de réception.",
        ],
    },
    Words {
        language: Language::Es,
        failed: [
            "Mensaje no entregado, devuelto al remitente",
            "Su mensaje no se ha podido entregar a",
            "El motivo:",
        ],
        delayed: [
            "Mensaje retrasado: se sigue intentando",
            "Su mensaje todavía no se ha podido entregar a",
            "Se intentará hasta {until}; no hace falta que lo envíe de nuevo. El último intento:",
        ],
        relayed: [
            "Mensaje transmitido",
            "Su mensaje ha sido aceptado por el servidor de correo de",
            "Aquí no se sabe si lo deposita en el buzón.",
        ],
    },
    Words {
        language: Language::Pt,
        failed: [
            "Mensagem não entregue, devolvida ao remetente",
            "Não foi possível entregar a sua mensagem a",
            "O motivo:",
        ],
        delayed: [
            "Mensagem atrasada: as tentativas continuam",
            "Ainda não foi possível entregar a sua mensagem a",
            "As tentativas continuam até {until}; não é preciso enviá-la de novo. A última tentativa:",
        ],
        relayed: [
            "Mensagem encaminhada",
            "A sua mensagem foi aceite pelo servidor de correio de",
            "Não sabemos se este a coloca na caixa de correio.",
        ],
    },
    Words {
        language: Language::It,
        failed: [
            "Messaggio non recapitato, restituito al mittente",
            "Non è stato possibile recapitare il messaggio a",
            "Il motivo:",
        ],
        delayed: [
            "Messaggio in ritardo: i tentativi continuano",
            "Non è stato ancora possibile recapitare il messaggio a",
            "I tentativi continuano fino a {until}; non occorre inviarlo di nuovo. L'ultimo tentativo:",
        ],
        relayed: [
            "Messaggio trasmesso",
            "Il messaggio è stato accettato dal server di posta di",
            "Qui non è noto se lo depositi nella casella.",
        ],
    },
    Words {
        language: Language::Nl,
        failed: [
            "Bericht niet bezorgd, terug naar de afzender",
            "Uw bericht kon niet worden bezorgd bij",
            "De reden:",
        ],
        delayed: [
            "Bericht vertraagd: er wordt nog geprobeerd",
            "Uw bericht kon nog niet worden bezorgd bij",
            "De bezorging wordt geprobeerd tot {until}; u hoeft het bericht niet opnieuw te sturen. De \
             laatste poging:",
        ],
        relayed: [
            "Bericht doorgegeven",
            "Uw bericht is aangenomen door de mailserver van",
            "Of die het in de postbus legt, is hier niet bekend.",
        ],
    },
    Words {
        language: Language::Ru,
        failed: [
            "Письмо не доставлено и возвращено отправителю",
            "Ваше письмо не удалось доставить получателю",
            "Причина:",
        ],
        delayed: [
            "Доставка письма задерживается, попытки продолжаются",
            "Ваше письмо пока не удалось доставить получателю",
            "Попытки продолжатся до {until}; отправлять письмо ещё раз не нужно. Последняя попытка:",
        ],
        relayed: [
            "Письмо передано дальше",
            "Ваше письмо принято почтовым сервером получателя",
            "Поместил ли он его в почтовый ящик, здесь неизвестно.",
        ],
    },
    Words {
        language: Language::Pl,
        failed: [
            "Wiadomość niedoręczona, zwrócona do nadawcy",
            "Nie udało się doręczyć Państwa wiadomości do",
            "Przyczyna:",
        ],
        delayed: [
            "Wiadomość opóźniona: próby trwają",
            "Nie udało się jeszcze doręczyć Państwa wiadomości do",
            "Próby potrwają do {until}; nie trzeba wysyłać jej ponownie. Ostatnia próba:",
        ],
        relayed: [
            "Wiadomość przekazana dalej",
            "Państwa wiadomość przyjął serwer poczty odbiorcy",
            "Czy umieścił ją w skrzynce, tutaj nie wiadomo.",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Timestamp;

    #[test]
    fn every_language_says_all_and_only_delays_have_an_end() {
        for language in Language::ALL {
            let words = Words::of(language);
            assert_eq!(words.language, language);
            for kind in [Kind::Failed, Kind::Delayed(Timestamp(0)), Kind::Relayed] {
                let said = words.about(kind);
                assert!(said.iter().all(|text| !text.is_empty()), "{language:?} {kind:?}");
                let is_delay = matches!(kind, Kind::Delayed(_));
                assert_eq!(
                    said[2].matches("{until}").count(),
                    usize::from(is_delay),
                    "{language:?}"
                );
                assert!(!said[0].contains(['{', '\n']) && !said[1].contains('{'), "{language:?}");
            }
        }
    }
}
