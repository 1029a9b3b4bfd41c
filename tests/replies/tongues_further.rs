//! The words of further languages.

use super::tongues::Tongue;

const LATIN: &[&str] = &["iso-8859-1", "windows-1252"];
const LATIN2: &[&str] = &["iso-8859-2", "windows-1250"];
const CYRILLIC: &[&str] = &["koi8-r", "windows-1251", "iso-8859-5"];

pub(super) const TONGUES: &[Tongue] = &[
    Tongue {
        code: "es",
        leave: "Baja|BAJA|Darme de baja|Dar de baja|Cancelar suscripción|STOP|T|Desuscribir|¡Baja!|\
            Por favor, dar de baja",
        ask: "Por favor, elimínenme de su lista de correo.|No deseo recibir más publicidad.|\
            Quiero darme de baja de este boletín.|¿Podrían darme de baja, por favor?|\
            Dejen de enviarme correos.|Ya no quiero recibir sus correos.|Solicito que me den de baja.",
        reject: "R|Reject",
        letters: "Muchas gracias, nos vemos el lunes.|¿Cómo me doy de baja?|No quiero darme de baja.|\
            Quiero cancelar mi pedido.|¿Pueden enviarme la factura?|Estoy de baja por enfermedad.|\
            No me llamen más por teléfono.|Mi mensaje anterior fue un error.",
        greetings: "Hola,|Buenos días:|Estimados señores:",
        thanks: "Gracias|Un saludo|Saludos cordiales,|Muchas gracias",
        signatures: "Begoña|José Núñez\nCompras",
        footers: "Enviado desde mi iPhone|Obtener Outlook para iOS<https://aka.ms/o0ukef>|Enviado desde mi Galaxy",
        disclaimer: "Este mensaje es confidencial. Si no es usted el destinatario, le rogamos que lo elimine y \
            avise al remitente.",
        wrote: "El mar, {d} ene {Y} a las {H}:{M}, {who} escribió:|El {d} ene {Y}, a las {H}:{M}, {who} escribió:|\
            El {d}/{m}/{y} a las {H}:{M}, {name} escribió:|\
            El martes, {d} de enero de {Y}, {H}:{M}:07 CET, {who} escribió:|El {Y}-{m}-{d} {H}:{M}, {name} escribió:",
        labels: ["De", "Enviado", "Para", "Asunto"],
        date: "martes, {d} de enero de {Y} {H}:{M}",
        original: "Mensaje original|Mensaje reenviado",
        charsets: LATIN,
    },
    Tongue {
        code: "pt",
        leave: "Sair|SAIR|Descadastrar|Cancelar inscrição|Remover|T|STOP|Cancelar subscrição|Descadastre-me",
        ask: "Por favor, removam meu e-mail da lista.|Não quero mais receber esses e-mails.|\
            Gostaria de cancelar a minha inscrição.|Parem de me enviar propaganda.|\
            Podem retirar o meu endereço da vossa lista?|Favor me descadastrar.",
        reject: "R|Reject",
        letters: "Obrigado, falamos na sexta.|Como faço para cancelar a inscrição?|\
            Não quero cancelar minha inscrição.|Preciso cancelar o pedido de ontem.|\
            Podem enviar a fatura de novo?|Não me liguem mais.|Recebi o boleto, obrigado.",
        greetings: "Olá,|Bom dia,|Prezados,",
        thanks: "Obrigado|Obrigada!|Atenciosamente,|Cumprimentos",
        signatures: "João|Conceição Araújo\nCompras",
        footers: "Enviado do meu iPhone|Obter o Outlook para Android<https://aka.ms/AAb9ysg>|Enviado a partir do meu smartphone Samsung Galaxy.",
        disclaimer: "Esta mensagem é confidencial. Se a recebeu por engano, por favor apague-a e avise o remetente.",
        wrote: "Em ter., {d} de jan. de {Y} às {H}:{M}, {who} escreveu:|\
            {who} escreveu no dia terça, {d}/{m}/{Y} à(s) {H}:{M}:|Em {d}/{m}/{Y} {H}:{M}, {name} escreveu:|\
            Em terça-feira, {d} de janeiro de {Y} às {H}:{M}:07 BRT, {who} escreveu:|\
            Em {d} de jan. de {Y}, à(s) {H}:{M}, {who} escreveu:",
        labels: ["De", "Enviado", "Para", "Assunto"],
        date: "terça-feira, {d} de janeiro de {Y} {H}:{M}",
        original: "Mensagem original|Mensagem encaminhada",
        charsets: LATIN,
    },
    Tongue {
        code: "it",
        leave: "Cancellami|CANCELLAMI|Stop|Disiscrizione|Disiscrivetemi|Cancellatemi|T|Annulla iscrizione",
        ask: "Per favore toglietemi dalla vostra mailing list.|Non desidero più ricevere le vostre email.|\
            Vorrei disiscrivermi dalla newsletter.|Potete cancellarmi dalla lista, per favore?|\
            Smettete di inviarmi pubblicità.|Vi prego di rimuovere il mio indirizzo dal database.",
        reject: "R|Reject",
        letters: "Grazie, ci sentiamo domani.|Come faccio a disiscrivermi?|Non voglio cancellarmi.|\
            Vorrei annullare l'ordine.|Potete inviarmi la fattura?|Non chiamatemi più.|\
            Il pacco non è ancora arrivato.",
        greetings: "Buongiorno,|Ciao,|Gentili signori,",
        thanks: "Grazie|Cordiali saluti|Grazie mille|Saluti",
        signatures: "Niccolò|Maria Rossi\nUfficio acquisti",
        footers: "Inviato da iPhone|Ottieni Outlook per Android<https://aka.ms/AAb9ysg>|Inviato dal mio telefono Xiaomi",
        disclaimer: "Questo messaggio è riservato. Se l'avete ricevuto per errore, vi preghiamo di cancellarlo e \
            di avvisare il mittente.",
        wrote: "Il giorno mar {d} gen {Y} alle ore {H}:{M} {who} ha scritto:|\
            Il giorno {d} gen {Y}, alle ore {H}:{M}, {who} ha scritto:|Il {d}/{m}/{y} {H}:{M}, {name} ha scritto:|\
            Il martedì {d} gennaio {Y} alle ore {H}:{M}:07 CET, {who} ha scritto:|\
            Il mar {d} gen {Y}, {H}:{M} {who} ha scritto:",
        labels: ["Da", "Inviato", "A", "Oggetto"],
        date: "martedì {d} gennaio {Y} {H}:{M}",
        original: "Messaggio originale|Messaggio inoltrato",
        charsets: LATIN,
    },
    Tongue {
        code: "nl",
        leave: "Afmelden|AFMELDEN|Uitschrijven|Graag afmelden|Stop|T|Stoppen|Graag uitschrijven",
        ask: "Gelieve mij van de mailinglijst te verwijderen.|Ik wil geen nieuwsbrieven meer ontvangen.|\
            Kunt u mij uitschrijven, alstublieft?|Haal mij van de lijst.|Stuur mij geen reclame meer.|\
            Ik wil me graag afmelden voor deze nieuwsbrief.",
        reject: "R|Reject",
        letters: "Dank u, ik bel morgen.|Hoe kan ik me afmelden?|Ik wil me niet afmelden.|\
            Graag mijn bestelling annuleren.|Kunt u de factuur opnieuw sturen?|Bel mij niet meer.",
        greetings: "Hallo,|Beste,|Goedemorgen,",
        thanks: "Bedankt|Met vriendelijke groet,|Groeten|Alvast bedankt",
        signatures: "Joost|Anneke de Vries\nInkoop",
        footers: "Verstuurd vanaf mijn iPhone|Outlook voor Android downloaden<https://aka.ms/AAb9ysg>|Verzonden vanaf mijn Galaxy",
        disclaimer: "Dit bericht is vertrouwelijk. Bent u niet de geadresseerde, verwijder het dan en informeer de afzender.",
        wrote: "Op di {d} jan {Y} om {H}:{M} schreef {who}:|Op {d} jan {Y}, om {H}:{M} heeft {who} het volgende geschreven:|\
            Op {d}-{m}-{Y} om {H}:{M} schreef {name}:|Op dinsdag {d} januari {Y} om {H}:{M}:07 CET schreef {who}:|\
            {name} schreef op {Y}-{m}-{d} {H}:{M}:",
        labels: ["Van", "Verzonden", "Aan", "Onderwerp"],
        date: "dinsdag {d} januari {Y} {H}:{M}",
        original: "Oorspronkelijk bericht|Origineel bericht|Doorgestuurd bericht",
        charsets: LATIN,
    },
    Tongue {
        code: "ru",
        leave: "Отписаться|ОТПИСАТЬСЯ|Стоп|Отписка|Отпишите меня|T|Отменить подписку|«Отписаться»",
        ask: "Пожалуйста, удалите мой адрес из рассылки.|Больше не присылайте мне писем.|\
            Я не хочу получать вашу рассылку.|Прошу исключить меня из списка рассылки.|\
            Хочу отписаться от ваших писем.|Прекратите присылать мне рекламу.",
        reject: "R|Reject",
        letters: "Спасибо, получил, отвечу завтра.|Как отписаться?|Я не хочу отписываться.|\
            Отмените мой заказ, пожалуйста.|Пришлите, пожалуйста, счёт ещё раз.|Не звоните мне больше.|\
            Прошлый ответ был ошибкой.",
        greetings: "Здравствуйте!|Добрый день,|Здравствуйте,",
        thanks: "Спасибо|С уважением,|Заранее спасибо",
        signatures: "Ольга|Иван Петров\nОтдел закупок",
        footers: "Отправлено с iPhone|Отправлено из мобильной Почты Mail.ru|Отправлено из мобильной Яндекс Почты: http://m.ya.ru/ymail",
        disclaimer: "Это сообщение конфиденциально. Если вы получили его по ошибке, удалите его и сообщите отправителю.",
        wrote: "вт, {d} янв. {Y} г. в {H}:{M}, {who}:|{d} янв. {Y} г., в {H}:{M}, {who} написал(а):|\
            {d}.{m}.{Y} {H}:{M}, {name} пишет:|вторник, {d} января {Y} г. в {H}:{M}:07 GMT+3, {who} написал:|\
            Вторник, {d} января {Y}, {H}:{M} +03:00 от {who}:|{d}.{m}.{Y}, {H}:{M}, \"{name}\" <{address}>:|\
            {name} писал {Y}-{m}-{d} {H}:{M}:",
        labels: ["От", "Отправлено", "Кому", "Тема"],
        date: "вторник, {d} января {Y} г. {H}:{M}",
        original: "Исходное сообщение|Пересылаемое сообщение",
        charsets: CYRILLIC,
    },
    Tongue {
        code: "uk",
        leave: "Відписатися|Відпишіть мене|Стоп|T",
        ask: "Будь ласка, видаліть мене зі списку розсилки.|Не надсилайте мені більше листів.|\
            Хочу відписатися від розсилки.",
        reject: "R|Reject",
        letters: "Дякую, отримав.|Як відписатися?|Я не хочу відписуватися.|Скасуйте моє замовлення.",
        greetings: "Добрий день,|Вітаю!",
        thanks: "Дякую|З повагою,",
        signatures: "Оксана|Петро Шевчук",
        footers: "Надіслано з iPhone",
        disclaimer: "Це повідомлення конфіденційне. Якщо ви отримали його помилково, видаліть його.",
        wrote: "вт, {d} січ. {Y} р. о {H}:{M} {who} пише:|{d}.{m}.{Y} {H}:{M}, {name} пише:|\
            {d} січ. {Y} р. о {H}:{M} {who} написав(-ла):",
        labels: ["Від", "Надіслано", "Кому", "Тема"],
        date: "вівторок, {d} січня {Y} р. {H}:{M}",
        original: "Вихідне повідомлення|Оригінал повідомлення",
        charsets: &["koi8-u", "windows-1251"],
    },
    Tongue {
        code: "pl",
        leave: "Wypisz|WYPISZ|Wypisz mnie|Rezygnuję|Stop|T|Anuluj subskrypcję",
        ask: "Proszę o usunięcie mojego adresu z listy.|Nie chcę otrzymywać więcej wiadomości.|\
            Proszę nie wysyłać mi więcej maili.|Chcę się wypisać z newslettera.|\
            Czy możecie usunąć mnie z listy mailingowej?",
        reject: "R|Reject",
        letters: "Dziękuję, odezwę się jutro.|Jak się wypisać?|Nie chcę się wypisać.|\
            Proszę anulować moje zamówienie.|Proszę o ponowne przesłanie faktury.|Nie dzwońcie do mnie więcej.",
        greetings: "Dzień dobry,|Witam,|Szanowni Państwo,",
        thanks: "Dziękuję|Pozdrawiam|Z poważaniem",
        signatures: "Łukasz|Małgorzata Wójcik",
        footers: "Wysłane z iPhone'a|Wysłane z mojego Galaxy|Pobierz aplikację Outlook dla systemu Android<https://aka.ms/AAb9ysg>",
        disclaimer: "Ta wiadomość jest poufna. Jeśli nie jesteś jej adresatem, usuń ją i powiadom nadawcę.",
        wrote: "wt., {d} sty {Y} o {H}:{M} {who} napisał(a):|W dniu {d}.{m}.{Y} o {H}:{M}, {name} pisze:|\
            Wiadomość napisana przez {who} w dniu {d} sty {Y}, o godz. {H}:{M}:|\
            W dniu wtorek, {d} stycznia {Y} {H}:{M}:07 CET {who} napisał(a):|Dnia {d} stycznia {Y} {H}:{M} {who} napisał(a):",
        labels: ["Od", "Wysłano", "Do", "Temat"],
        date: "wtorek, {d} stycznia {Y} {H}:{M}",
        original: "Oryginalna wiadomość|Wiadomość oryginalna|Wiadomość przekazana dalej",
        charsets: LATIN2,
    },
    Tongue {
        code: "sv",
        leave: "Avregistrera|Stopp|Avsluta prenumerationen|T|Ta bort mig",
        ask: "Vänligen ta bort mig från er lista.|Jag vill inte få fler mejl från er.|Sluta skicka reklam till mig.",
        reject: "R|Reject",
        letters: "Tack, vi hörs på måndag.|Hur avregistrerar jag mig?|Kan ni skicka fakturan igen?|Ring mig inte mer.",
        greetings: "Hej,|Hej!",
        thanks: "Tack|Med vänlig hälsning|Mvh",
        signatures: "Björn|Åsa Sjöberg",
        footers: "Skickat från min iPhone|Hämta Outlook för Android<https://aka.ms/AAb9ysg>|Skickat från min Galaxy",
        disclaimer: "Detta meddelande är konfidentiellt. Har du fått det av misstag, radera det och meddela avsändaren.",
        wrote: "Den tis {d} jan. {Y} kl {H}:{M} skrev {who}:|{d} jan. {Y} kl. {H}:{M} skrev {who}:|\
            Den {Y}-{m}-{d} kl. {H}:{M}, skrev {name}:|Den tisdag {d} januari {Y} {H}:{M}:07 CET, {who} skrev:",
        labels: ["Från", "Skickat", "Till", "Ämne"],
        date: "den {d} januari {Y} {H}:{M}",
        original: "Ursprungligt meddelande|Originalmeddelande|Vidarebefordrat meddelande",
        charsets: LATIN,
    },
    Tongue {
        code: "da",
        leave: "Afmeld|Frameld|Stop|T|Afmeld mig",
        ask: "Venligst slet mig fra jeres liste.|Jeg ønsker ikke at modtage flere mails.|Stop med at sende mig reklame.",
        reject: "R|Reject",
        letters: "Tak, vi tales ved.|Hvordan afmelder jeg mig?|Kan I sende fakturaen igen?",
        greetings: "Hej,|Kære alle,",
        thanks: "Tak|Med venlig hilsen|Hilsen",
        signatures: "Søren|Kirsten Ærø",
        footers: "Sendt fra min iPhone|Hent Outlook til Android<https://aka.ms/AAb9ysg>",
        disclaimer: "Denne meddelelse er fortrolig. Har du modtaget den ved en fejl, bedes du slette den.",
        wrote: "Den tirs. {d}. jan. {Y} kl. {H}.{M} skrev {who}:|Den {d}. jan. {Y} kl. {H}.{M} skrev {who}:|\
            tir. {d}. jan. {Y} {H}.{M} skrev {who}:|Den {d}-{m}-{Y} kl. {H}:{M} skrev {name}:",
        labels: ["Fra", "Sendt", "Til", "Emne"],
        date: "{d}. januar {Y} {H}:{M}",
        original: "Oprindelig meddelelse|Oprindelig besked|Videresendt meddelelse",
        charsets: LATIN,
    },
    Tongue {
        code: "no",
        leave: "Avmeld|Meld meg av|Stopp|T",
        ask: "Vennligst fjern meg fra listen deres.|Jeg vil ikke ha flere e-poster.|Slutt å sende meg reklame.",
        reject: "R|Reject",
        letters: "Takk, vi snakkes mandag.|Hvordan melder jeg meg av?|Kan dere sende fakturaen på nytt?",
        greetings: "Hei,|Hei!",
        thanks: "Takk|Med vennlig hilsen|Hilsen",
        signatures: "Bjørn|Ingrid Håland",
        footers: "Sendt fra min iPhone|Sendt fra min Galaxy|Skaff deg Outlook for Android<https://aka.ms/AAb9ysg>",
        disclaimer: "Denne meldingen er konfidensiell. Har du mottatt den ved en feil, vennligst slett den.",
        wrote: "tir. {d}. jan. {Y} kl. {H}:{M} skrev {who}:|Den {d}. jan. {Y} kl. {H}:{M} skrev {who}:|\
            {d}. jan. {Y} kl. {H}:{M} skrev {who}:|Den tirsdag {d}. januar {Y} {H}:{M}:07 CET skrev {who}:",
        labels: ["Fra", "Sendt", "Til", "Emne"],
        date: "tirsdag {d}. januar {Y} {H}:{M}",
        original: "Opprinnelig melding|Videresendt melding",
        charsets: LATIN,
    },
    Tongue {
        code: "fi",
        leave: "Peruuta tilaus|Stop|T|Poista minut listalta",
        ask: "Haluan perua tilauksen.|Poistakaa minut postituslistalta.",
        reject: "R|Reject",
        letters: "Kiitos, palaan asiaan huomenna.|Miten perun tilauksen?|Voitteko lähettää laskun uudelleen?",
        greetings: "Hei,|Hyvää päivää,",
        thanks: "Kiitos|Ystävällisin terveisin",
        signatures: "Päivi|Jukka Mäkinen",
        footers: "Lähetetty iPhonesta|Hanki Outlook for Android<https://aka.ms/AAb9ysg>",
        disclaimer: "Tämä viesti on luottamuksellinen. Jos olet saanut sen erehdyksessä, poista se.",
        wrote: "ti {d}. tammik. {Y} klo {H}.{M} {who} kirjoitti:|{who} kirjoitti {d}.{m}.{Y} kello {H}.{M}:|\
            {name} kirjoitti {d}.{m}.{Y} klo {H}.{M}:|tiistai {d}. tammikuuta {Y} klo {H}.{M}.07 UTC+2 {who} kirjoitti:",
        labels: ["Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"],
        date: "tiistai {d}. tammikuuta {Y} {H}.{M}",
        original: "Alkuperäinen viesti",
        charsets: LATIN,
    },
    Tongue {
        code: "cs",
        leave: "Odhlásit|Odhlaste mě|Zrušit odběr|Stop|T",
        ask: "Prosím odhlaste mě z odběru novinek.|Prosím, zrušte odběr.",
        reject: "R|Reject",
        letters: "Děkuji, ozvu se zítra.|Jak se mohu odhlásit?|Můžete prosím znovu poslat fakturu?",
        greetings: "Dobrý den,|Ahoj,",
        thanks: "Děkuji|S pozdravem",
        signatures: "Jiří|Věra Dvořáková",
        footers: "Odesláno z iPhonu|Odesláno ze zařízení Galaxy",
        disclaimer: "Tato zpráva je důvěrná. Pokud jste ji obdrželi omylem, smažte ji prosím.",
        wrote: "út {d}. {m}. {Y} v {H}:{M} odesílatel {who} napsal:|{d}. {m}. {Y} v {H}:{M}, {who}:|\
            Dne {d}. {m}. {y} v {H}:{M} {name} napsal(a):|Dne úterý {d}. ledna {Y} {H}:{M}:07 SEČ, {who} napsal(a):",
        labels: ["Od", "Odesláno", "Komu", "Předmět"],
        date: "úterý {d}. ledna {Y} {H}:{M}",
        original: "Původní zpráva|Původní e-mail",
        charsets: LATIN2,
    },
    Tongue {
        code: "tr",
        leave: "Abonelikten çık|Aboneliği iptal et|Stop|T",
        ask: "Lütfen aboneliğimi iptal edin.|Beni listenizden çıkarın lütfen.",
        reject: "R|Reject",
        letters: "Teşekkürler, yarın dönerim.|Aboneliği nasıl iptal edebilirim?|Faturayı tekrar gönderir misiniz?",
        greetings: "Merhaba,|Sayın yetkili,",
        thanks: "Teşekkürler|Saygılarımla",
        signatures: "Ayşe|Gökhan Yıldız",
        footers: "iPhone'umdan gönderildi|Galaxy cihazımdan gönderildi",
        disclaimer: "Bu mesaj gizlidir. Yanlışlıkla aldıysanız lütfen silin ve göndereni bilgilendirin.",
        wrote: "{who}, {d} Oca {Y} Sal, {H}:{M} tarihinde şunu yazdı:|{who} şunları yazdı ({d} Oca {Y} {H}:{M}):|\
            {d}.{m}.{Y} {H}:{M} tarihinde {name} yazdı:",
        labels: ["Kimden", "Gönderildi", "Kime", "Konu"],
        date: "{d} Ocak {Y} Salı {H}:{M}",
        original: "Orijinal mesaj|Özgün İleti",
        charsets: &["iso-8859-9", "windows-1254"],
    },
    Tongue {
        code: "el",
        leave: "Διαγραφή|Stop|T|Διαγράψτε με",
        ask: "Παρακαλώ διαγράψτε με.|Θέλω να διαγραφώ.",
        reject: "R|Reject",
        letters: "Ευχαριστώ, θα απαντήσω αύριο.|Πώς μπορώ να διαγραφώ;|Στείλτε μου ξανά το τιμολόγιο.",
        greetings: "Καλημέρα,|Γεια σας,",
        thanks: "Ευχαριστώ|Με εκτίμηση,",
        signatures: "Νίκος|Ελένη Παπαδοπούλου",
        footers: "Στάλθηκε από το iPhone μου",
        disclaimer: "Το μήνυμα αυτό είναι εμπιστευτικό. Αν το λάβατε κατά λάθος, διαγράψτε το και ενημερώστε τον αποστολέα.",
        wrote: "Στις Τρί {d} Ιαν {Y} στις {H}:{M} π.μ., ο χρήστης {who} έγραψε:|\
            Στις {d} Ιαν {Y}, {H}:{M}, ο χρήστης {who} έγραψε:|Στις {d}/{m}/{Y} {H}:{M}, ο/η {name} έγραψε:",
        labels: ["Από", "Στάλθηκε", "Προς", "Θέμα"],
        date: "Τρίτη, {d} Ιανουαρίου {Y} {H}:{M}",
        original: "Αρχικό μήνυμα",
        charsets: &["iso-8859-7", "windows-1253"],
    },
    Tongue {
        code: "vi",
        leave: "Hủy đăng ký|STOP|T|Huỷ đăng ký",
        ask: "Xin vui lòng hủy đăng ký.|Tôi muốn hủy đăng ký.",
        reject: "R|Reject",
        letters: "Cảm ơn, tôi đã nhận được.|Làm sao để hủy đăng ký?|Vui lòng gửi lại hóa đơn.",
        greetings: "Xin chào,|Kính gửi,",
        thanks: "Cảm ơn|Trân trọng,",
        signatures: "Minh|Nguyễn Thị Hoa",
        footers: "Gửi từ iPhone của tôi|Đã gửi từ iPhone của tôi",
        disclaimer: "Thư này là thông tin mật. Nếu bạn nhận nhầm, vui lòng xóa và báo cho người gửi.",
        wrote: "Vào Th 3, {d} thg 1, {Y} vào lúc {H}:{M} {who} đã viết:|Vào {d} thg 1, {Y}, lúc {H}:{M}, {who} đã viết:|\
            Vào {H}:{M} {d}/{m}/{Y}, {name} viết:",
        labels: ["Từ", "Đã gửi", "Đến", "Chủ đề"],
        date: "Thứ Ba, {d} tháng 1, {Y} {H}:{M}",
        original: "Thư gốc|Tin nhắn gốc",
        charsets: &[],
    },
];
