//! What is a wish and what is a letter, in words of our own.

use super::classify::Wish;
use super::keyword::{self, Found};
use super::normal::normal;
use super::words::tests::plain;

fn wish(text: &str) -> Found {
    keyword::wish(plain(), text)
}

fn in_subject(text: &str) -> Found {
    keyword::in_subject(plain(), text)
}

fn is_courteous(text: &str) -> bool {
    keyword::is_courteous(plain(), text)
}

#[test]
fn whole_utterances_are_wishes() {
    for text in [
        "R",
        "r.",
        "Ｒ",
        "回复R",
        "Reply R",
        "“R”",
        "*R*",
        "拒收",
        "请拒收",
        "您好，\n拒收\n谢谢",
        "수신거부",
        "reject!",
        "拒收你们的邮件",
        "拒收所有垃圾邮件",
        "수신거부합니다",
        "수신거부 부탁드립니다",
        "수신거부 처리 부탁드립니다",
        "R please",
        "R - thanks",
        "R, thanks",
        "拒 收",
        "?“R”",
    ] {
        assert_eq!(wish(text).wish, Wish::Reject, "{text}");
    }
    for text in [
        "T",
        "td",
        "退订",
        "取消訂閱",
        "請退訂",
        "STOP",
        "please unsubscribe me",
        "Bitte abmelden",
        "BAJA",
        "配信停止をお願いします",
        "ОТПИСАТЬСЯ",
        "Hello,\n\nunsubscribe\n\nThanks",
        "你好，退订",
        "I would like to be removed from your list. Thank you, Ann",
        "请不要再给我发邮件了",
        "T 退订",
        "退 订",
        "退订回T",
        "回复T退订",
        "退订你们的所有邮件",
        "STOP STOP STOP",
        "стоп",
        "unsubscribe ann@a.example",
        "Unsubscribe from all your mailing lists",
        "remove me from list",
        "Stop sending these emails",
        "退会希望です",
    ] {
        assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
    }
    assert_eq!(wish("START").wish, Wish::Resubscribe);
}

#[test]
fn a_request_is_obeyed_where_what_follows_is_mail() {
    for text in [
        "Please take me off your mailing list.",
        "Stop sending me these emails!",
        "Don't send me any more of this.",
        "Do not contact me again.",
        "please stop sending me",
    ] {
        assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
    }
}

#[test]
fn what_is_doubtful_or_denied_is_a_letter() {
    for text in [
        "Could you stop by our office on Tuesday?",
        "R. Miller takes care of this.",
        "Can you take me off this flight?",
        "Please don't send me the old model.",
        "Please stop sending me blue ones.",
        "Don't contact me by phone.",
        "Please don't stop sending me your newsletter.",
        "T: +1 555 0199\nPlease call.",
        "我不要退订，只想换地址",
        "What does replying R do?",
        "Please do not unsubscribe me.",
        "Regards,\nT",
        "谢谢\nR",
        "请问怎么退订？",
        "R?",
        "退订？",
        "R\nis the letter you asked for",
        "Stop\nwatch arrived broken",
        "Merci\nR",
        "Vielen Dank\nT",
        "감사합니다\nTD",
        "我想退订机票",
        "退订酒店",
        "退订链接",
        "退订成功",
        "Stop it",
        "stop the meeting emails from Ann",
        "remove this item from my list",
        "Answers: T, R",
        "cancel\n\nthe parcel has not come and nobody answers",
        "0000\n\nis the code on the box",
    ] {
        assert_eq!(wish(text).wish, Wish::None, "{text}");
    }
}

#[test]
fn more_than_the_wish_is_told() {
    assert!(!wish("R\n\nThanks,\nAnn").beyond);
    assert!(wish("退订\n另外，上周的订单还没到，请查一下。").beyond);
}

#[test]
fn a_request_in_a_sentence_is_obeyed_in_many_languages() {
    for text in [
        "请把我从邮件列表中删除",
        "请停止向我发送邮件",
        "请取消我的订阅",
        "Bitte melden Sie mich vom Newsletter ab.",
        "Bitte nehmen Sie mich aus dem Verteiler.",
        "Je ne souhaite plus recevoir vos messages.",
        "Por favor, denme de baja de la lista.",
        "Solicito la baja de este boletín.",
        "Per favore cancellatemi dalla newsletter.",
        "Não quero mais receber mensagens.",
        "Хочу отписаться от рассылки.",
        "Пожалуйста, больше не присылайте мне писем.",
        "メルマガを解除したいです。お願いします",
        "더 이상 메일을 보내지 마세요",
        "구독을 취소해 주세요",
        "Wypisz mnie z listy",
        "Gelieve mij uit te schrijven",
        "Please delete my email from your database.",
        "Not interested. Unsubscribe.",
        "Not interested, please remove me.",
        "I never signed up for this.\n\nUnsubscribe\n\nRegards,\nAnn",
    ] {
        assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
    }
    assert_eq!(wish("메일 수신을 거부합니다").wish, Wish::Reject);
    assert_eq!(wish("请将我加入拒收名单").wish, Wish::Reject);
}

#[test]
fn a_keyword_that_a_letter_talks_about_is_not_obeyed() {
    for text in [
        "The last line reads:\nUnsubscribe",
        "Your page says I should reply. Unsubscribe.",
        "Bitte melden Sie mich nicht vom Newsletter ab.",
        "请不要把我从邮件列表中删除",
        "Thanks for the offer. T",
        "货物有破损。拒收",
        "The price is too high. Reject.",
        "地址写错了。不要发了",
    ] {
        assert_eq!(wish(text).wish, Wish::None, "{text}");
    }
}

#[test]
fn how_often_mail_comes_undoes_no_request() {
    for text in [
        "请不要每天都发邮件给我",
        "请不要天天发了",
        "please stop sending me these daily",
        "Unsubscribe me from your daily letter",
    ] {
        assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
    }
}

#[test]
fn a_reason_behind_a_keyword_takes_nothing_back() {
    for text in [
        "Unsubscribe - I never registered with you",
        "Unsubscribe because they arrive twice a day",
        "unsubscribe (no longer relevant)",
        "Opt out - my daughter made this account",
        "T, thank you, too many emails",
        "T - you send far too many",
        "T because of too many emails",
        "stop, you email too often",
        "STOP - wrong person",
        "stop too many messages",
        "T svp",
        "退订，从没注册过",
        "退订（没兴趣）",
        "T 太频繁了",
        "Abmelden - ich habe nie zugestimmt",
        "Désinscription - jamais demandé",
        "Baja - no di mi consentimiento",
        "Sair - nunca autorizei",
        "Afmelden (geen belangstelling)",
        "Отписаться - никогда не подписывался",
        "Т",
        "Who are you people? Unsubscribe.",
        "配信停止（多すぎるので）",
        "구독취소 - 신청한 적 없음",
    ] {
        assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
    }
    for text in ["R - never gave permission", "拒收（不需要）", "R, I don't know who you are"]
    {
        assert_eq!(wish(text).wish, Wish::Reject, "{text}");
    }
}

#[test]
fn words_of_others_and_other_things_behind_a_keyword_are_letters() {
    for text in [
        "Ein Leser schreibt: „Bitte streichen Sie mich aus dem Verteiler.“ Was nun?",
        "Une cliente écrit « merci de me retirer de votre liste ». Que répondre ?",
        "Читатель пишет: «уберите меня из рассылки». Что делать?",
        "Unsubscribe - how does that work",
        "Unsubscribe, but keep the weekly one",
        "Unsubscribe, as the young call it",
        "Unsubscribe - just a joke",
        "T - shirt in red",
        "R (Rachel)",
        "Stop - the driver has the wrong street",
        "退订，改成每月一封",
        "别寄了，地址不对",
        "Спасибо,\nТ",
        "I never signed up for the course.",
        "Too many emails?",
    ] {
        assert_eq!(wish(text).wish, Wish::None, "{text}");
    }
}

#[test]
fn what_is_said_of_goods_or_of_missing_mail_is_no_request() {
    for text in [
        "Ich habe keine weiteren E-Mails erhalten, wann kommt die Antwort?",
        "Ich habe keine weiteren Fragen.",
        "Could you unsubscribe my colleague Bob instead?",
        "契約を解除したいです",
        "Quiero dar de baja mi línea de teléfono.",
        "Quiero darme de baja del gimnasio.",
        "Seit Montag bekomme ich keine E-Mails mehr, da stimmt etwas nicht.",
        "Seit Montag erhalte ich von Ihnen keine Antwort. Ich bekomme keine Mails mehr.",
        "Ik krijg geen e-mails meer.",
        "请停止向我发货",
        "我不想收到破损的商品",
        "Please delete my email of yesterday, it was wrong.",
        "수신거부를 해제해 주세요",
        "구독을 취소하지 마세요",
        "메일링 리스트에서 보고 연락드립니다.",
        "Пожалуйста, удалите меня из списка участников.",
        "請求書を送付しないでください。",
    ] {
        assert_eq!(wish(text).wish, Wish::None, "{text}");
    }
}

#[test]
fn a_forwarded_subject_is_nobodys_wish() {
    assert_eq!(in_subject("Fwd: unsubscribe").wish, Wish::None);
    assert_eq!(in_subject("Re: R?").wish, Wish::None);
    assert_eq!(in_subject("[EXT] Unsubscribe").wish, Wish::Unsubscribe);
    assert_eq!(in_subject("Re: [External] unsubscribe").wish, Wish::Unsubscribe);
    assert_eq!(in_subject("[T] The next meeting").wish, Wish::None);
    assert_eq!(in_subject("RE：退订").wish, Wish::Unsubscribe);
}

#[test]
fn tables_stand_in_the_form_in_which_replies_are_read() {
    let known = plain().sentences();
    let (open, refused) = (&known.open_requests, &known.open_refusals);
    let whole = [&known.all.requests, &known.all.refusals, &known.all.instructions];
    let whole = whole.into_iter().flatten();
    let ended = known.subscriptions.iter().chain(&known.closing_subscriptions);
    for word in whole.chain(open.iter().chain(refused).chain(ended).map(|(_, word)| word)) {
        assert_eq!(&normal(word), word);
    }
    let pieces = known.all.doubts.iter().chain(&known.all.denials).chain(&known.all.contrasts);
    for word in pieces {
        assert_eq!(normal(word), word.trim());
    }
}

#[test]
fn thanks_and_a_name_alone_are_courteous() {
    assert!(is_courteous("Hi,\n\nThanks\nAnn"));
    assert!(is_courteous("please"));
    assert!(!is_courteous("Hi,\nwhere is my parcel?\nThanks"));
}
