//! The words of requests in further languages written in alphabets, in normal form.

use super::grammar::Language;
use super::grammar::Sense::{
    Ask, Draw, Filler, Leave, List, Mail, Me, More, Not, Please, Receive, Remove, Send, Stop, Want,
};

/// Tried after the first.
pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "pt",
        words: &[
            (
                Leave,
                "descadastrar|descadastre|descadastre-me|descadastrem|descadastramento|\
                me descadastrar|me descadastre|me descadastrem|descadastro|desinscrever|\
                desinscrever-me|desinscrevam|cancelar inscrição|cancelar a inscrição|\
                cancelar minha inscrição|cancelar a minha inscrição|cancelem minha inscrição|\
                cancelar subscrição|cancelar a subscrição|cancelar a minha subscrição|\
                cancelar minha subscrição|cancelar assinatura|cancelar a assinatura|\
                cancelar minha assinatura|cancelar inscricao|anular a subscrição|\
                anular subscrição|cancelamento da inscrição|cancelamento da subscrição|\
                dar baixa|desassinar|desinscrição|unsubscribe|remover inscrição|cancelem a minha subscrição|\
                cancelar a minha assinatura",
            ),
            (Draw, "sair|sair da"),
            (
                Remove,
                "remover|remova|removam|remova-me|removam-me|retirar|retire|retirem|retire-me|\
                retirem-me|excluir|exclua|excluam|exclua-me|excluam-me|apagar|apague|apaguem|eliminar|\
                elimine|eliminem|tirar|tire|tirem|tire-me|tirem-me|ser removido|ser removida|\
                ser retirado|ser excluído|me remover|deletar|delete|deletem|a remoção|remoção",
            ),
            (
                Stop,
                "parar de|parem de|pare de|parem com|deixar de|deixem de|deixe de|cessem|stop|chega|\
                chega de|basta|basta de|suspendam|suspender|suspenda",
            ),
            (
                Send,
                "enviar|enviem|envie|enviar-me|enviem-me|mandar|mandem|mande|contactar|contatar|\
                contactem|contatem|escrever|escrevam|incomodar|encaminhar|encaminhem|o envio|\
                o envio de|envio|envio de",
            ),
            (
                Want,
                "quero|queremos|desejo|desejamos|gostaria|gostaríamos|preciso|tenho interesse em|\
                pretendo",
            ),
            (
                Receive,
                "receber|recebê-los|recebo|continuar recebendo|recebendo|a receber|continuar a receber|\
                ser contactado|ser contatado",
            ),
            (
                Mail,
                "email|emails|e-mail|e-mails|mail|mails|mensagem|mensagens|boletim|boletins|newsletter|\
                newsletters|spam|propaganda|propagandas|publicidade|promoções|ofertas|comunicações|\
                correio|correios|notificações|marketing|anúncios|informativos|mailing",
            ),
            (
                List,
                "lista|listas|lista de e-mail|lista de e-mails|lista de email|lista de emails|\
                lista de envio|lista de distribuição|lista de contatos|lista de contactos|\
                mailing list|base de dados|banco de dados|lista de discussão|cadastro|mailing|\
                lista de mailing|listagem|base|lista de correio",
            ),
            (
                Me,
                "me|mim|nos|meu email|meu e-mail|meu mail|meu endereço|meu endereço de e-mail|\
                meu endereço de email|o meu email|o meu e-mail|o meu endereço|meu nome|\
                meu cadastro|este email|este e-mail|este endereço|nosso email|nosso e-mail|\
                remova-me|removam-me|retire-me|retirem-me|exclua-me|excluam-me|me remover|o meu endereço de email",
            ),
            (Not, "não|nao|nunca|nenhum|nenhuma|jamais"),
            (More, "mais|futuramente|no futuro|novamente|de novo|a partir de agora"),
            (
                Please,
                "por favor|favor|obrigado|obrigada|gentileza|por gentileza|peço|peço que|solicito|\
                solicito que|solicitamos|agradeço|agradecia|agradecia que|se faz favor|pf|pfv",
            ),
            (Ask, "podem|pode|poderiam|poderia|podes|podias|posso|podiam"),
            (
                Filler,
                "eu|de|da|do|das|dos|a|o|as|os|um|uma|em|na|no|nas|nos|e|sua|suas|seu|seus|vossa|\
                vossas|vosso|vossos|esta|este|estes|estas|essa|esse|esses|essas|desta|deste|destes|\
                dessa|desse|desses|todos|todas|todo|toda|imediatamente|agora|urgente|que|se|por|\
                minha|meu|minhas|meus|à|às|ao|aos|vocês|você|lhe|pela|pelo|tipo|tipo de|olá|\
                bom dia|boa tarde|empresa|inscrição|assinatura|cancelar|cancelamento|com|\
                quero que|ser|definitivamente|parte|da vossa parte|qualquer|quaisquer|mim",
            ),
        ],
    },
    Language {
        name: "it",
        words: &[
            (
                Leave,
                "cancellami|cancellatemi|cancellarmi|cancellarci|mi cancelli|mi cancellate|\
                disiscrivere|disiscrivermi|disiscrivetemi|disiscrivimi|disiscrizione|\
                annulla iscrizione|annullare l'iscrizione|annullare la mia iscrizione|\
                cancella iscrizione|cancellare l'iscrizione|cancellare la mia iscrizione|\
                cancellazione iscrizione|cancellazione newsletter|cancellazione dalla|\
                cancellazione della mia iscrizione|\
                annullare l'abbonamento|togliermi dalla|dissociarmi|unsubscribe|\
                la cancellazione dalla|la mia cancellazione|disattivare l'iscrizione|\
                revoco l'iscrizione|revoco il consenso|essere cancellato|essere cancellata|\
                essere disiscritto",
            ),
            (
                Remove,
                "rimuovere|rimuovetemi|rimuovimi|rimuovermi|rimuova|rimuovete|mi rimuova|\
                mi rimuovete|cancellare|cancellate|cancella|cancelli|cancellazione di|\
                cancellazione del|eliminare|eliminate|eliminatemi|eliminami|eliminarmi|elimini|togliere|\
                toglietemi|toglimi|togliermi|togliete|tolga|depennare|depennatemi|escludere|\
                escludetemi|essere rimosso|essere rimossa|essere eliminato|essere tolto|levatemi",
            ),
            (
                Stop,
                "smettere di|smettete di|smettetela di|smettila di|smetta di|cessare|cessate|\
                cessate di|basta|basta con|stop|fermate|interrompere|interrompete|sospendere|\
                sospendete|finitela di|piantatela di|disdire|disdetta|\
                disdico",
            ),
            (
                Send,
                "inviare|inviarmi|inviate|inviatemi|invii|mandare|mandarmi|mandate|mandatemi|scrivere|\
                scrivermi|scrivete|scrivetemi|contattare|contattarmi|contattate|contattatemi|spedire|\
                spedirmi|disturbare|disturbarmi|invio|l'invio|l'invio di|invio di|invio delle|\
                mandarci|inviarci",
            ),
            (
                Want,
                "voglio|vorrei|desidero|vogliamo|desideriamo|gradirei|intendo|interessa|mi interessa|\
                ho bisogno di",
            ),
            (Receive, "ricevere|ricevo|ricevere più|essere contattato|essere contattata|avere"),
            (
                Mail,
                "email|e-mail|mail|emails|messaggi|messaggio|newsletter|newsletters|posta|pubblicità|\
                spam|promozioni|offerte|comunicazioni|bollettino|bollettini|notifiche|posta elettronica|\
                email pubblicitarie|mail pubblicitarie|messaggi pubblicitari|mailing",
            ),
            (
                List,
                "lista|liste|mailing list|mailing-list|mailinglist|elenco|elenchi|database|\
                lista di distribuzione|liste di distribuzione|lista contatti|archivio|archivi|banca dati|\
                lista newsletter|lista email|rubrica|lista di invio|indirizzario",
            ),
            (
                Me,
                "mi|me|ci|noi|il mio indirizzo|mio indirizzo|il mio indirizzo email|il mio indirizzo e-mail|\
                il mio indirizzo mail|la mia email|la mia mail|la mia e-mail|mia email|mia mail|\
                il mio nominativo|mio nominativo|il mio nome|\
                questo indirizzo|il mio contatto|il nostro indirizzo|mio indirizzo email|\
                mio indirizzo e-mail|rimuovetemi|rimuovimi|rimuovermi|\
                mi rimuova|mi rimuovete|eliminatemi|eliminami|eliminarmi|toglietemi|toglimi|togliermi|\
                depennatemi|escludetemi|levatemi",
            ),
            (Not, "non|mai|nessuna|nessun|niente"),
            (
                More,
                "più|piu|mai più|ancora|in futuro|ulteriori|ulteriore|nuovamente|di nuovo|d'ora in poi|\
                d'ora in avanti|altre|altri",
            ),
            (
                Please,
                "per favore|grazie|per piacere|per cortesia|cortesemente|gentilmente|prego|\
                vi prego di|la prego di|vi chiedo di|chiedo di|chiedo|si prega di|favore|pregasi|\
                vi prego|grazie mille|vogliate|richiedo|richiedo di|chiediamo di",
            ),
            (Ask, "potete|potreste|può|potrebbe|puoi|potresti|posso|è possibile"),
            (
                Filler,
                "io|di|da|dal|dalla|dalle|dai|del|della|delle|dei|la|il|lo|le|gli|i|l'|un|una|a|al|alla|\
                alle|in|e|con|vostra|vostro|vostre|vostri|sua|suo|tua|tuo|questa|questo|queste|questi|\
                tutte|tutti|tutta|tutto|subito|immediatamente|ora|adesso|al più presto|che|mia|mio|\
                iscrizione|abbonamento|essere|buongiorno|salve|tipo|tipo di|da parte vostra|\
                sono|interessato a|interessata a|nel|nella|vostra newsletter|definitivamente|\
                i miei dati",
            ),
        ],
    },
    Language {
        name: "nl",
        words: &[
            (
                Leave,
                "afmelden|afmelding|uitschrijven|uit te schrijven|af te melden|uitschrijving|\
                uitgeschreven worden|uitgeschreven te worden|afgemeld worden|afgemeld te worden|\
                schrijf mij uit|schrijf me uit|schrijf ons uit|meld mij af|meld me af|\
                meld ons af|meld af|schrijf uit|unsubscribe",
            ),
            (
                Remove,
                "verwijderen|verwijder|verwijdert|te verwijderen|verwijderd worden|wissen|wis|\
                schrappen|schrap|verwijderd te worden|uithalen|verwijdering van|verwijdering",
            ),
            (Draw, "haal|halen|haalt|neem|nemen|gehaald worden"),
            (
                Stop,
                "stop|stop met|stoppen|stoppen met|te stoppen met|ophouden met|hou op met|houd op met|\
                staak|te staken|genoeg|opzeggen|op te zeggen|zeg op|\
                opzegging|zeg hierbij op",
            ),
            (
                Send,
                "sturen|stuur|te sturen|stuurt|mailen|mail|te mailen|zenden|zend|toesturen|toezenden|\
                toe te sturen|contacteren|benaderen|schrijven|spammen|het sturen van|\
                het versturen van|verzenden|lastigvallen",
            ),
            (Want, "wil|willen|wens|wensen|wil graag|zou graag|behoefte aan|hoef|hoeven"),
            (Receive, "ontvangen|te ontvangen|krijgen|te krijgen|ontvang|krijg|hebben"),
            (
                Mail,
                "mails|e-mail|e-mails|email|emails|mailtjes|nieuwsbrief|nieuwsbrieven|berichten|reclame|\
                spam|reclamemails|post|aanbiedingen|mailings|nieuwsmails|advertenties|mail meer|\
                geen mail|promoties",
            ),
            (
                List,
                "lijst|lijsten|mailinglijst|mailinglijsten|mailinglist|mailing list|maillijst|\
                verzendlijst|adressenlijst|adressenbestand|bestand|bestanden|database|e-maillijst|\
                nieuwsbrieflijst|distributielijst|adresboek|systeem",
            ),
            (
                Me,
                "mij|me|ons|mijn adres|mijn e-mailadres|mijn emailadres|mijn mailadres|mijn e-mail|\
                mijn email|dit adres|dit e-mailadres|ons e-mailadres|mijn naam|\
                ons adres|mijzelf|dit emailadres",
            ),
            (Not, "geen|niet|nooit|nimmer"),
            (
                More,
                "meer|niet meer|nooit meer|verder|verdere|langer|niet langer|voortaan|in de toekomst|\
                in het vervolg|opnieuw|weer",
            ),
            (
                Please,
                "graag|aub|a.u.b|alstublieft|alsjeblieft|gelieve|bedankt|dank u|dank je|svp|\
                verzoek u|verzoek je|vriendelijk verzoek|verzoeke|s.v.p",
            ),
            (
                Ask,
                "kunt u|kan u|kunnen jullie|zou u|zouden jullie|kun je|kan je|wilt u|willen jullie|\
                wil je|zou je|kan ik",
            ),
            (
                Filler,
                "ik|wij|we|u|uw|je|jullie|de|het|een|deze|dit|die|dat|alle|van|voor|uit|te|en|aan|op|\
                in|naar|direct|nu|onmiddellijk|zo snel mogelijk|hierbij|per direct|z.s.m|zsm|\
                hallo|beste|abonnement|dergelijke|zulke|soort|via|per|worden|zijn|mijn|af|bij|\
                ongewenste|nog|maar",
            ),
        ],
    },
    Language {
        name: "ru",
        words: &[
            (
                Leave,
                "отписаться|отпишите|отпиши|отписать|отписка|отписку|отписываюсь|отмените подписку|\
                отменить подписку|отмена подписки|отмену подписки|аннулируйте подписку|\
                аннулировать подписку|прекратить подписку|\
                прекратите подписку|снимите с рассылки|снять с рассылки|отключите рассылку|\
                отключить рассылку|отменить рассылку|отмените рассылку|unsubscribe|\
                отписаца|отпишите-ка",
            ),
            (
                Remove,
                "удалить|удалите|удали|уберите|убрать|убери|исключить|исключите|исключи|вычеркните|\
                вычеркнуть|стереть|сотрите|удаления|удаление|быть удалён|выведите",
            ),
            (
                Stop,
                "прекратите|прекратить|перестаньте|перестать|хватит|остановите|остановить|стоп|\
                прекращайте|прекращения|довольно|завязывайте|отказываюсь|\
                отказаться|отказываюсь от|отключите",
            ),
            (
                Send,
                "присылать|присылайте|присылай|слать|шлите|посылать|посылайте|отправлять|отправляйте|\
                писать|пишите|беспокоить|беспокойте|рассылать|высылать|высылайте|прислать|\
                присылаете|спамить|спамьте|направлять|направляйте|беспокойте|отправку|\
                отправку писем|присылали|слали|писали|отправляли",
            ),
            (
                Want,
                "хочу|хотим|желаю|желаем|хотел бы|хотела бы|хотели бы|хотелось бы|нужны|нужна|нужно|\
                надо|интересует|интересны|нуждаюсь|заинтересован|заинтересована",
            ),
            (Receive, "получать|получаю|получить|получения|в получении|иметь"),
            (
                Mail,
                "письма|писем|письмо|почту|почта|рассылку|рассылка|рассылки|рассылок|рассылкой|\
                сообщения|сообщений|сообщение|рекламу|реклама|рекламы|спам|спама|новости|новостей|\
                уведомления|уведомлений|email|e-mail|мейлы|имейлы|имейлов|предложения|\
                предложений|корреспонденцию|рекламные|спамом|рекламной",
            ),
            (
                List,
                "рассылки|рассылок|список|списка|списков|базы|базу|базы данных|списка рассылки|\
                списков рассылки|списка адресатов|адресной книги|базе|адресатов|подписчиков|\
                вашего списка|листа|баз",
            ),
            (
                Me,
                "меня|мне|нам|нас|мой адрес|мой email|мой e-mail|мой электронный адрес|мою почту|\
                мой почтовый адрес|мой ящик|этот адрес|мой имейл|наш адрес|мой мейл|\
                мой адрес электронной почты|мой контакт",
            ),
            (Not, "не|никогда|никаких|ни|нет"),
            (More, "больше|более|впредь|в дальнейшем|дальше|снова|опять|никогда больше|далее"),
            (
                Please,
                "пожалуйста|прошу|просьба|просим|спасибо|будьте добры|убедительно прошу|\
                убедительная просьба|пож|плиз|заранее спасибо|требую|настоятельно прошу",
            ),
            (Ask, "можете|могли бы|могли бы вы|можно|не могли бы вы|можете ли"),
            (
                Filler,
                "я|мы|вы|вас|вам|ваши|ваша|ваше|ваш|вашу|вашей|ваших|вашего|вашими|от|из|с|со|на|в|и|эту|\
                эти|этой|этих|этого|это|свои|свою|своей|своего|всех|все|всю|всей|мою|моего|мой|моей|\
                немедленно|сейчас|срочно|сразу|уже|что|чтобы вы|бы|же|свой|по|к|подписку|\
                подписки|здравствуйте|добрый день|электронной|электронные|почты|на почту|\
                на мой адрес|на этот адрес|на мою почту|ко|свою рассылку|вашим|такие|таких|подобные|\
                подобных|ненужные|адрес",
            ),
        ],
    },
    Language {
        name: "uk",
        words: &[
            (
                Leave,
                "відписатися|відпишіть|відписати|відписка|скасувати підписку|скасуйте підписку|\
                відмовляюся|відмовитися",
            ),
            (Remove, "видаліть|видалити|приберіть|прибрати|виключіть|вилучіть"),
            (Stop, "припиніть|припинити|досить|стоп|перестаньте"),
            (Send, "надсилайте|надсилати|присилайте|присилати|пишіть|писати|шліть"),
            (Want, "хочу|бажаю|хотів би|хотіла б"),
            (Receive, "отримувати"),
            (Mail, "листи|листів|розсилку|розсилка|повідомлення|повідомлень|рекламу|спам"),
            (List, "розсилки|списку|списку розсилки|бази"),
            (Me, "мене|мені|нас|мою адресу|мій email"),
            (Not, "не|ніколи"),
            (More, "більше|надалі"),
            (Please, "будь ласка|прошу|дякую"),
            (
                Filler,
                "я|ми|ви|вас|ваші|вашу|вашої|ваших|від|з|із|на|цю|ці|цієї|цих|всіх|усіх|негайно|свою",
            ),
        ],
    },
    Language {
        name: "pl",
        words: &[
            (
                Leave,
                "wypisz|wypisać|wypiszcie|wypisanie|wypisuję|wypisz mnie|wypisania|rezygnuję|\
                rezygnujemy|rezygnacja|zrezygnować|zrezygnuj|anuluj subskrypcję|\
                anulować subskrypcję|anulujcie subskrypcję|anulowanie subskrypcji|odsubskrybować|\
                odsubskrybuj|wyrejestrować|wyrejestrujcie|wyrejestrowanie|wyrejestruj|unsubscribe|\
                anuluję subskrypcję|proszę o rezygnację|odwołuję zgodę|wycofuję zgodę|cofam zgodę|\
                wypiszcie mnie|być wypisany|wypisać się",
            ),
            (
                Remove,
                "usunąć|usuń|usuńcie|usunięcie|usunięcia|wykreślić|wykreślcie|wykreśl|skreślić|\
                skreślcie|wymazać|usunięty",
            ),
            (
                Stop,
                "przestańcie|przestać|przestań|zaprzestać|zaprzestanie|zaprzestania|stop|dość|\
                zakończyć|wstrzymać|wstrzymanie|proszę przestać|skończcie",
            ),
            (
                Send,
                "wysyłać|wysyłajcie|wysyłaj|wysyłania|wysyłanie|przysyłać|przysyłajcie|przysyłaj|\
                przysyłania|pisać|piszcie|nadsyłać|kontaktować|wysyłki|wysyłkę|spamować|przesyłać|\
                przesyłania|przesyłajcie",
            ),
            (Want, "chcę|chcemy|życzę|życzę sobie|chciałbym|chciałabym|potrzebuję|chce"),
            (Receive, "otrzymywać|dostawać|otrzymywania|dostaję|mieć|odbierać"),
            (
                Mail,
                "mail|maile|maili|e-maile|e-maili|email|emaile|emaili|newsletter|newslettera|newsletterów|\
                newslettery|wiadomości|wiadomość|reklam|reklamy|spam|spamu|ofert|oferty|\
                korespondencji|powiadomień|informacji handlowych|mailingu|mailing|mejli|mejle",
            ),
            (
                List,
                "listy|lista|list|listy mailingowej|list mailingowych|bazy|bazy danych|bazy mailingowej|\
                newslettera|subskrypcji|listy adresowej|listy wysyłkowej|listy dystrybucyjnej|\
                bazy adresów|mailingu|listy odbiorców",
            ),
            (
                Me,
                "mnie|mi|nas|nam|mój adres|mój email|mój e-mail|mojego adresu|mojego maila|mój mail|\
                mój adres email|mój adres e-mail|ten adres|naszego adresu|\
                mojego adresu email|mojego e-maila|mojego adresu e-mail|nasz adres",
            ),
            (Not, "nie|żadnych|nigdy|bez|żadnego"),
            (More, "więcej|już|nigdy więcej|dłużej|w przyszłości|ponownie|dalszych|kolejnych"),
            (
                Please,
                "proszę|proszę o|dziękuję|prosimy|prosimy o|uprzejmie proszę|bardzo proszę|poproszę|\
                poproszę o|dzięki|żądam",
            ),
            (Ask, "czy możecie|czy mogą państwo|czy może pan|czy mógłby pan|możecie|czy mogę"),
            (
                Filler,
                "ja|z|ze|o|do|od|na|w|i|się|to|ten|tę|tej|tego|te|tych|wasz|wasze|waszej|waszych|\
                waszego|państwa|swój|swoje|swojej|moją|moje|mojej|mój|mojego|wszystkich|wszystkie|\
                natychmiast|teraz|jak najszybciej|niezwłocznie|sobie|dzień dobry|witam|subskrypcję|\
                subskrypcji|subskrypcja|wam|was|mailowych|mailowe|reklamowych|marketingowych|\
                handlowych|takich|prenumeratę|prenumeraty",
            ),
        ],
    },
    Language {
        name: "sv",
        words: &[
            (
                Leave,
                "avregistrera|avregistrering|avprenumerera|avsluta prenumeration|\
                avsluta prenumerationen|avsluta min prenumeration|avanmäl|avmäl|avmäla|avanmäla|\
                säg upp prenumerationen|säga upp prenumerationen|avmeld|avmelde|avmelding|meld meg av|\
                meld mig fra|afmeld|afmelde|afmelding|frameld|framelde|framelding|opsig|\
                avslutte abonnementet|avslutt abonnementet|stopp abonnementet|si opp abonnementet",
            ),
            (
                Remove,
                "ta bort|radera|stryk|fjern|fjerne|slett|slette|slet|ta vekk|tag bort|plocka bort",
            ),
            (
                Stop,
                "sluta|slutt å|slutt|stopp|stoppa|stop|stop med|stopp med|sluta med|sluta att|\
                hold op med at|hold op med",
            ),
            (
                Send,
                "skicka|sända|sende|send|skicka till|maila|maile|kontakta|kontakt|skriv|skriva|\
                skrive|spamma|å sende|at sende",
            ),
            (Want, "vill|ønsker|önskar|ønsker å|vil|ønsker at|skulle vilja|vil gerne|vil gjerne"),
            (Receive, "få|ha|motta|modtage|ta emot|erhålla|att få"),
            (
                Mail,
                "mejl|mail|mails|mailen|e-post|epost|e-postmeddelanden|nyhetsbrev|nyhetsbreven|\
                nyhedsbrev|nyhedsbreve|nyhetsbrevet|nyhedsbrevet|meddelanden|reklam|reklame|spam|\
                utskick|utskicken|e-mail|e-mails|beskeder|meldinger|e-poster|emails",
            ),
            (
                List,
                "lista|listan|listor|mejllista|e-postlista|sändlista|listen|liste|maillisten|\
                mailinglisten|mailingliste|databasen|register|registret|utskick|utskicket|epostlisten|\
                e-postlisten|maillista|mailinglistan",
            ),
            (
                Me,
                "mig|meg|oss|os|min adress|min e-postadress|min mejladress|min mailadress|min adresse|\
                min e-postadresse|min mailadresse|min e-mail|min e-post|min mail|denne adressen",
            ),
            (Not, "inte|ikke|inga|ingen|aldrig|aldri|ej"),
            (
                More,
                "mer|mere|fler|flere|längre|lenger|længere|igen|igjen|framöver|fremover|i framtiden",
            ),
            (Please, "vänligen|snälla|tack|venligst|vennligst|takk|tak|var vänlig|vær så snill"),
            (Ask, "kan ni|kan du|kan dere|kan i|kunne i|kunne du|skulle ni kunna"),
            (
                Filler,
                "jag|jeg|vi|ni|du|dere|er|ert|era|eran|din|ditt|dina|deres|jeres|från|fra|av|af|å|at|\
                den|det|denna|denne|dessa|disse|detta|dette|de|all|alla|alle|till|til|og|och|omedelbart|\
                nu|nå|straks|hej|hei|på|i|min|mitt|mine|vara|være|som|prenumeration|abonnement|mer av",
            ),
        ],
    },
    Language {
        name: "other",
        words: &[
            (
                Leave,
                "abonelikten çık|abonelikten çıkmak istiyorum|aboneliği iptal et|aboneliğimi iptal et|\
                aboneliğimi iptal edin|aboneliği iptal|abonelik iptali|listeden çıkar|\
                listeden çıkarın|beni listeden çıkarın|beni listenizden çıkarın|odhlásit|odhlaste mě|\
                odhlásit odběr|odhlásit se|odhlašte mě|chci se odhlásit|zrušit odběr|zrušte odběr|\
                odhlásiť|odhláste ma|leiratkozás|leiratkozom|leiratkozni|kérem töröljenek a listáról|\
                dezabonare|dezabonați-mă|dezabonati-ma|doresc dezabonarea|mă dezabonez|doresc să mă dezabonez|\
                vreau sa ma dezabonez|vreau să mă dezabonez|διαγραφή|διαγράψτε με|απεγγραφή|\
                θέλω να διαγραφώ|berhenti berlangganan|batalkan langganan|saya ingin berhenti berlangganan|\
                ยกเลิกการสมัคร|ยกเลิกการรับข่าวสาร|ยกเลิกรับข่าวสาร|ขอยกเลิกการรับอีเมล|\
                ยกเลิกการรับอีเมล|הסר|הסירו אותי|הסר אותי|הסירו אותי מהרשימה|הסר אותי מהרשימה|\
                נא להסיר אותי|נא להסיר|להסיר|إلغاء الاشتراك|الغاء الاشتراك|أريد إلغاء الاشتراك|\
                أرجو إلغاء اشتراكي|إلغاء اشتراكي|ألغوا اشتراكي|لغو اشتراک|لغو عضویت|peruuta tilaus|peru tilaus|\
                peruutan tilauksen|poista minut listalta|poistakaa minut listalta|\
                poistakaa minut postituslistalta|haluan perua tilauksen|odjava|odjavi me|odjavite me|\
                želim se odjaviti|отпиши ме|отпишете ме|отписване|искам да се отпиша|atsisakyti|\
                atsisakau prenumeratos|atrakstīties|loobun|hủy đăng ký|huỷ đăng ký|huy dang ky|\
                hủy đăng ký nhận tin|tôi muốn hủy đăng ký|ngừng gửi email|nyahlanggan|saya mahu nyahlanggan|\
                mag-unsubscribe|सदस्यता समाप्त करें|सदस्यता रद्द करें|donar-me de baixa|doneu-me de baixa|\
                baixa",
            ),
            (
                Please,
                "lütfen|teşekkürler|prosím|děkuji|ďakujem|kérem|köszönöm|vă rog|mulțumesc|παρακαλώ|\
                ευχαριστώ|tolong|mohon|terima kasih|กรุณา|ขอบคุณ|בבקשה|תודה|من فضلك|شكرا|شكراً|لطفا|kiitos|\
                molim|hvala|моля|благодаря|xin vui lòng|vui lòng|xin|cảm ơn|cám ơn|si us plau|gràcies",
            ),
        ],
    },
];
