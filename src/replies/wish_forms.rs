//! Requests and letters in many languages, in words of our own: `|` stands between them.

use super::classify::Wish;
use super::keyword::wish;
use super::words::tests::plain;

/// What is obeyed in the stream.
const UNSUBSCRIBE: &str = "Remove me from your database|Please remove from your records|\
    Bitte aus der Datenbank löschen|Bitte löschen Sie mich aus Ihrer Datei|Retirez-moi de votre base|\
    Borrar de su base de datos, por favor|请从数据库删除|请把我从系统里删除|go toi khoi danh sach|\
    Please help unsubscribe me|Please unsubscribe me from this list or tell me how to do it|\
    I want to unsubscrible|I no longer wish to receive information by email|\
    Hello,\nwe ask for this.\nPlease remove ann.lee@b.example from the list.|\
    Please remove email address ann.lee@b.example<mailto:ann.lee@b.example> from the \
    distribution list.|Please unsubscribe me from this list.|Kindly remove my email from your mailing list.|\
    unsubscribe please|UNSUBSCRIBE!!!|Please take me off your list|\
    Please stop emailing me.|stop sending me emails|\
    I no longer wish to receive these emails|I don't want these emails anymore|\
    Please remove me|Remove me from your mailing list immediately|please opt me out|\
    take me off this list please|No more emails please|Stop!|stop.|STOP.|\
    Unsubscribe, thanks|Please unsubscribe this email address.|unsubscribe ann@b.example|\
    Do not email me again|Never email me again.|Please delete my email from your list|\
    I would like to unsubscribe from your newsletter.|I want to unsubscribe|\
    Unsubscribe\nSent from my iPhone|Pls remove from list|please remove|\
    Remove from mailing list|Please cancel my subscription|Stop spamming me|\
    no thanks, unsubscribe|Not interested. Please remove me from your list.|\
    Please remove us from your mailing list.|unsubscribe us|\
    Can you please remove me from this mailing list?|\
    Could you take me off your mailing list?|Please stop|Leave me alone. Unsubscribe me!|\
    Quit sending me this crap|quit emailing me|Stop mailing me|\
    I did not sign up for this. Remove me.|Please unsubscribe.\n\nThanks,\nAnn|opt-out|\
    OPT OUT|Please unsubscribe my email ann@b.example from all lists|\
    i want off this list|Please discontinue sending me emails.|\
    I'd like to opt out of future emails.|please remove my name from your mailing list|\
    cease and desist emailing me|Take me off|Would you please stop sending me these?|\
    unsubscribe.|Un-subscribe|unsuscribe|unsubcribe|unsubsribe|\
    Please exclude me from your mailings|please do not contact me again|\
    Please do not send any more emails.|do not send me any more emails|\
    No longer interested, please unsubscribe|\
    We are no longer interested in receiving your emails.|\
    I am not interested in receiving these emails.|\
    I don't want to receive any emails from you.|Please stop these emails.|退订|退订。|\
    请退订|我要退订|取消订阅|请取消订阅|请帮我退订,谢谢|不要再给我发邮件了|别再发邮件了|\
    请不要再发邮件给我|请勿再发送邮件|不要再发送垃圾邮件了|别给我发邮件|请停止发送邮件|\
    停止发送邮件|退订，谢谢|TD|td|T|回T|回复T|回复TD退订|我想取消订阅|麻烦取消订阅|\
    不需要了，请退订|不感兴趣，退订|请把我从邮件列表中移除|请将我的邮箱从列表中删除|\
    请不要再打扰我|别再骚扰我|以后不要再发了|不要发了|不想收到邮件|不想再收到你们的邮件|\
    请取消邮件推送|请停止推送|退订此邮件|退订所有邮件|取消推送|取消|N|请删除我的邮箱地址|\
    退訂|請取消訂閱|請勿再寄信給我|不要再寄信了|取消訂閱，謝謝|請把我從名單中移除|\
    请将我移出邮件列表|不要给我发了|别发了|請停止寄送電子報|取消电子报|配信停止|\
    配信停止をお願いします。|配信停止してください|配信を停止してください。|\
    メルマガの配信停止をお願いいたします。|退会します|退会希望|解除してください|購読解除|\
    購読を停止したいです|メール配信を停止してください|今後メールを送らないでください|\
    メール不要です|もうメールを送らないでください。|配信不要|配信停止希望|メルマガ解除|\
    配信リストから削除してください|今後の配信は不要です|구독취소|구독 취소|\
    구독 취소해 주세요|구독을 취소하고 싶습니다|수신 중단 부탁드립니다|\
    메일 보내지 마세요|더 이상 메일 보내지 마세요.|이메일을 그만 보내주세요|구독 해지|\
    뉴스레터 구독 취소 부탁드립니다|메일링 리스트에서 삭제해 주세요|\
    수신을 원하지 않습니다|Abmelden|Bitte abmelden|Bitte melden Sie mich ab|\
    Bitte melden Sie mich vom Newsletter ab|Ich möchte den Newsletter abbestellen|\
    Bitte streichen Sie mich aus dem Verteiler|Bitte nehmen Sie mich aus Ihrem Verteiler|\
    Bitte keine weiteren E-Mails|Bitte keine Mails mehr|Keine Werbung mehr bitte|\
    Newsletter abbestellen|STOPP|Bitte senden Sie mir keine E-Mails mehr|\
    Ich möchte keine E-Mails mehr erhalten|\
    Ich möchte keine weiteren Mails von Ihnen bekommen|Ich will keine Mails mehr|\
    Bitte löschen Sie mich aus Ihrer Liste|Bitte löschen Sie meine E-Mail-Adresse|\
    Bitte entfernen Sie mich aus dem Verteiler|Austragen|Bitte austragen|\
    Bitte tragen Sie mich aus|Hiermit kündige ich den Newsletter|bitte abmelden, danke|\
    Bitte schicken Sie mir keine Newsletter mehr|Kein Interesse, bitte abmelden|\
    Löschen Sie mich aus Ihrer Datenbank|Désabonner|Désinscription|Désabonnez-moi|\
    Merci de me désabonner|Veuillez me désinscrire|Je souhaite me désabonner|\
    Je veux me désinscrire de votre liste|Merci de ne plus m'envoyer de mails|\
    Ne m'envoyez plus de mails|Je ne veux plus recevoir vos emails|\
    Je ne souhaite plus recevoir de mails|Veuillez retirer mon adresse de votre liste|\
    Merci de supprimer mon adresse mail|Stop|STOP SVP|Me désabonner|\
    Retirez-moi de votre liste|Veuillez me retirer de votre liste de diffusion|Stop pub|\
    Merci de me retirer de votre liste de diffusion|Je souhaite être désabonné|\
    Je désire ne plus recevoir vos newsletters|Baja|BAJA|Darme de baja|\
    Quiero darme de baja|Por favor, dadme de baja|Solicito la baja|\
    Por favor, elimínenme de su lista|No quiero recibir más correos|\
    No deseo recibir más emails|No me envíen más correos|Dejen de enviarme correos|\
    Cancelar suscripción|Quiero cancelar mi suscripción|Desuscribir|Desuscribirme|\
    Desuscríbanme por favor|Borrar mi correo de su lista|\
    Por favor eliminen mi correo de su lista|Dar de baja|Solicito que me den de baja|\
    Ya no quiero recibir correos|Por favor dejen de mandarme correos|\
    Quiero desuscribirme|Ruego me den de baja de su lista|no más correos|Sair|\
    Descadastrar|Descadastre-me|Cancelar inscrição|Quero cancelar a minha subscrição|\
    Por favor, remova meu email da lista|Favor remover meu e-mail da lista|\
    Não quero mais receber e-mails|Não desejo receber mais emails|\
    Parem de me enviar emails|Gostaria de cancelar minha inscrição|Favor me descadastrar|\
    Remover|Não me enviem mais emails|Retirem-me da lista|Por favor me retire da lista|\
    Cancelar subscrição|Quero sair da lista|Cancellami|Cancellatemi|Disiscrivetemi|\
    Vorrei cancellarmi dalla newsletter|Voglio disiscrivermi|\
    Non voglio più ricevere email|Non inviatemi più email|\
    Non desidero più ricevere le vostre mail|Rimuovetemi dalla lista|\
    Cancellate il mio indirizzo|Per favore cancellatemi dalla vostra mailing list|\
    Smettete di inviarmi email|Disiscrizione|Disiscrivimi|Cancellazione newsletter|\
    Chiedo di essere rimosso dalla lista|Vi prego di cancellarmi|Annulla iscrizione|\
    Basta email|Afmelden|Uitschrijven|Graag uitschrijven|Schrijf mij uit|\
    Ik wil me uitschrijven|Gelieve mij uit te schrijven|Ik wil geen mails meer ontvangen|\
    Stuur mij geen mails meer|Geen mails meer aub|Graag afmelden|\
    Ik wil mij afmelden voor de nieuwsbrief|Haal mij van de lijst|\
    Verwijder mij uit uw bestand|Verwijder mijn e-mailadres|Stop met mailen|Meld mij af|\
    Ik wens geen e-mails meer te ontvangen|Graag mij uit de mailinglijst verwijderen|\
    Отписаться|Отпишите меня|Отпишите меня от рассылки|Хочу отписаться|\
    Прошу удалить меня из рассылки|Удалите меня из списка рассылки|\
    Не присылайте мне больше писем|Больше не пишите мне|Уберите меня из рассылки|Отписка|\
    Прекратите рассылку|Прошу отписать меня|Не хочу получать вашу рассылку|\
    Исключите меня из рассылки|Стоп|Отмените подписку|Отменить подписку|\
    Прошу больше не присылать писем|Не надо мне писать|удалите мой адрес из базы|\
    Прошу исключить мой адрес из вашей рассылки|Wypisz|Wypisz mnie|\
    Proszę o wypisanie z listy|Proszę mnie wypisać|Rezygnuję|Rezygnuję z newslettera|\
    Proszę nie wysyłać mi maili|Nie chcę otrzymywać maili|\
    Proszę usunąć mój adres z listy|Proszę o usunięcie z bazy|Anuluj subskrypcję|\
    Chcę się wypisać|Nie przysyłajcie mi więcej maili|\
    Proszę o zaprzestanie wysyłania wiadomości|Wypisuję się|Proszę usunąć mnie z listy|\
    Hủy đăng ký|Abonelikten çık|Aboneliği iptal et|Avregistrera|Avsluta prenumeration|\
    Avmeld|Meld meg av|Afmeld|Afmeld mig|Peruuta tilaus|Poista minut listalta|Odhlásit|\
    Odhlaste mě|Leiratkozás|Leiratkozom|Dezabonare|Dezabonați-mă|Διαγραφή|\
    Berhenti berlangganan|ยกเลิกการสมัคร|הסר|הסירו אותי|إلغاء الاشتراك|Ta bort mig|\
    Відписатися|Відпишіть мене";

/// What is obeyed in the account.
const REJECT: &str = "拒收|我拒收|R|r|R.|回R|回复R|拒收邮件|拒绝接收|拒收你们的邮件|拒收，谢谢|请拒收|\
    拒收此类邮件|拒收r|我要拒收|全部拒收|永久拒收|수신거부|수신 거부|수신거부 부탁드려요|\
    수신거부요|수신거부해주세요|수신거부 바랍니다|메일 수신거부|수신거부 신청합니다";

/// What is left to a reader: denied, asked about, or said of calls, goods and appointments.
const LETTERS: &str = "The fields are List-Help, List-Subscribe, and List-Unsubscribe.|\
    Go to: the settings|Please go to mail|Please remove the files|\
    Can you remove the system?|Could you delete the contacts?|Bitte löschen Sie die Datei|\
    Merci de supprimer le fichier|Elimine la base de datos|Excluir base de dados|Удалите базу|\
    请删除数据库|请删除联系人|Ab und zu|Bitte ab jetzt an diese Adresse|别再发空箱子给我|No quiero recibir llamadas|不要再发错货了|请不要发快递|\
    别寄了，我不在家|不寄了|不用发了|我不要红色的|不要给我打电话|请不要再打电话给我|\
    不要再联系我了，我自己会联系你|请停止向我发货|请取消订单|我想退订机票|我不想退订|\
    不要取消订阅|请不要把我删除|怎么退订？|如何取消订阅|退订后会不会影响账户|\
    可以不退订吗|我没有收到邮件|没收到你们的邮件|邮件收到了，谢谢|请继续给我发邮件|\
    请发邮件给我|请把邮件发给我|以后请发到新邮箱|不感兴趣|不需要|谢谢，不用了|信息已收到|\
    广告做得不错|你好，请问这个产品还有货吗|退货|拒收货物|拒收快递|货物拒收了|已拒收|\
    我要退款|请删除我的评论|请删除订单信息|N95口罩有货吗|No recibo sus correos|\
    No recibo más correos desde el lunes|No quiero recibir más llamadas|No me llamen más|\
    No quiero darme de baja|¿Cómo me doy de baja?|Estoy de baja hasta el lunes|\
    No puedo recibir correos|No me envíen más cajas vacías|Dejen de llamarme|\
    Eliminen el pedido|Quiero cancelar mi pedido|Cancelar el pedido|\
    No he recibido el correo|Envíenme el boletín por favor|Quiero recibir el boletín|\
    Ich bekomme keine Mails mehr|Ich erhalte Ihre E-Mails nicht|\
    Bitte rufen Sie mich nicht mehr an|Ich möchte keine Anrufe mehr|\
    Bitte schicken Sie mir keine Rechnung|Bitte senden Sie mir keine Pakete mehr|\
    Ich möchte mich nicht abmelden|Bitte nicht abmelden|Wie kann ich mich abmelden?|\
    Bitte melden Sie sich bei mir|Bitte stornieren Sie meine Bestellung|\
    Ich kündige den Vertrag|Hiermit kündige ich|Ich melde mich morgen|\
    Bitte senden Sie mir den Newsletter|Ich möchte den Newsletter|\
    Bitte tragen Sie mich in den Verteiler ein|Je ne reçois plus vos mails|\
    Je ne veux plus recevoir d'appels|Ne m'appelez plus|Je ne veux pas me désabonner|\
    Comment se désabonner ?|Pour vous désabonner|Merci de m'envoyer la newsletter|\
    Je souhaite recevoir vos newsletters|Arrêtez de m'appeler|\
    Veuillez annuler ma commande|Merci de supprimer ma commande|\
    Je ne souhaite plus recevoir de colis|Não recebo mais seus emails|\
    Não quero mais receber ligações|Não me liguem mais|\
    Não quero cancelar minha inscrição|Quero receber os e-mails|Cancelar o pedido|\
    Quero sair mais cedo|Como faço para cancelar a inscrição?|\
    Non ricevo più le vostre email|Non voglio più ricevere telefonate|Non chiamatemi più|\
    Non voglio cancellarmi|Come faccio a cancellarmi?|Vorrei ricevere la newsletter|\
    Annullare l'ordine|Per favore cancellate il mio ordine|Ik krijg geen mails meer|\
    Ik wil geen telefoontjes meer|Bel mij niet meer|Ik wil me niet afmelden|\
    Hoe kan ik me afmelden?|Ik wil de nieuwsbrief ontvangen|Annuleer mijn bestelling|\
    Не получаю ваши письма|Я больше не получаю писем|Не звоните мне больше|\
    Я не хочу отписываться|Не отписывайте меня|Как отписаться?|Отмените заказ|\
    Хочу получать рассылку|Прекратите звонить|Nie dostaję już maili|\
    Nie dzwońcie do mnie więcej|Nie chcę się wypisać|Jak się wypisać?|\
    Chcę otrzymywać newsletter|Proszę anulować zamówienie|配信停止しないでください|\
    配信停止の方法を教えてください|退会しません|メールが届きません|\
    メールを送ってください|もう電話しないでください|今後の電話は不要です|\
    配信停止になりました|注文をキャンセルしてください|配送を停止してください|\
    荷物を送らないでください|請求書を送付しないでください。|구독 취소하지 마세요|\
    메일을 보내 주세요|메일이 안 와요|전화하지 마세요|더 이상 전화하지 마세요|\
    택배를 보내지 마세요|주문 취소해 주세요|수신거부 하지 마세요|\
    수신거부를 해제해 주세요|어떻게 구독 취소하나요?|메일을 받지 못했습니다|\
    I don't get your emails|I am not receiving your emails anymore|\
    I don't want to unsubscribe|Please don't unsubscribe me|\
    Do not remove me from the list|How do I unsubscribe?|Can I unsubscribe later?|\
    I already unsubscribed|I was unsubscribed by mistake|\
    Why was I removed from your list?|Please add me to your mailing list|\
    Please send me your newsletter|I want to receive your emails|Stop by and contact us|\
    Please stop by on Tuesday|Drop me a message|Please remove the item from my order|\
    Delete this email|Please delete my last email|Please cancel my order|\
    Cancel my appointment|End of message|Do not reply to this email|Don't call me again|\
    Please do not call me any more|I don't want any more calls|\
    Don't send me the blue ones|Don't send any more boxes|No more boxes please|\
    Please stop sending boxes|Please stop shipping|Stop production|\
    Take me off the waiting list|Take me off speakerphone|\
    Please remove me from the meeting|Remove Bob from the list|\
    Please remove Bob from your mailing list|I need to contact you|Please email me|\
    Write to me|Do I need to unsubscribe?|Please unsubscribe Tom, not me|\
    Thanks for your email|No I want your emails|I would like more emails|\
    We want no interruption|Not interested|No thanks|No|T-shirt please|Size T|R rated|\
    R. Smith|R&D|Room R|Option T|See you at T|T, R or S?|T = 5|r u ok|r u there|N/A|n/a|\
    N.B. the door is closed|T h a n k s|R is a language|The end|End of June|\
    quit your day job|I quit|Cancel that|remove the stain|stop the press|Stop motion|\
    Full stop|nonstop|Don't stop|STOP and think|td bank|TD Ameritrade|T. Rex|\
    Reject the offer|We reject your offer|rejected|Reject: the invoice is wrong";

fn check(texts: &str, expect: Wish) {
    let wrong: Vec<_> =
        texts.split('|').filter(|text| wish(plain(), text).wish != expect).collect();
    assert!(wrong.is_empty(), "{expect:?}: {}", wrong.join("\n"));
}

#[test]
fn requests_are_obeyed_in_the_words_of_many_languages() {
    check(UNSUBSCRIBE, Wish::Unsubscribe);
    check(REJECT, Wish::Reject);
}

#[test]
fn what_is_denied_or_said_of_other_things_is_a_letter() {
    check(LETTERS, Wish::None);
}
