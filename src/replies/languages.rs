//! The words of requests in languages written in alphabets, in normal form: lower case, plain apostrophes.
//! A word that stands in no row makes its clause a letter, so rows hold nothing that goods, calls or
//! appointments are spoken of with.

use super::grammar::Language;
use super::grammar::Sense::{
    Ask, Draw, Filler, Leave, List, Mail, Me, More, Not, Please, Receive, Remove, Send, Stop, Want,
};

/// In the order in which they are tried.
pub(super) const LANGUAGES: &[Language] = &[
    Language {
        name: "en",
        words: &[
            (
                Leave,
                "unsubscribe|unsub|un-subscribe|unsubscribing|unsuscribe|unsubcribe|unsubsribe|\
                unsubscibe|unscubscribe|unsubscrib|be unsubscribed|unsubscription|opt out|opt-out|optout|\
                opt me out|opt us out|opting out|sign off|cancel my subscription|cancel our subscription|\
                cancel the subscription|cancel this subscription|end my subscription|\
                terminate my subscription|stop my subscription|unenroll|unenrol|de-subscribe|desubscribe",
            ),
            (
                Remove,
                "remove|delete|erase|exclude|be removed|be deleted|be taken off|take off|\
                take me off|take us off|scrub|purge|removing|removal of|want off|want out of|\
                get me off|get us off|get off",
            ),
            (Draw, "take|strike|pull"),
            (
                Stop,
                "stop|quit|discontinue|cease|cease and desist|desist|refrain from|\
                stop with|knock off|enough|enough of|enough with|no need for",
            ),
            (
                Send,
                "send|sending|email|emailing|e-mail|e-mailing|mail|mailing|contact|contacting|spam|\
                spamming|message|messaging|write to|writing to|write me|bombard|bombarding|\
                bother|bothering|harassing|harass",
            ),
            (
                Want,
                "want|wish|would like|'d like|need|desire|care for|interested in receiving|\
                interested in getting|care to",
            ),
            (
                Receive,
                "receive|receiving|get|getting|recieve|recieving|be contacted|be emailed|have",
            ),
            (
                Mail,
                "stuff|email|mail|e-mail|message|emails|e-mails|mails|no emails|no email|no mail|no spam|\
                no newsletter|no newsletters|no messages|no ads|spam|newsletter|newsletters|email newsletter|email newsletters|\
                spam mail|spam mails|spam emails|spam email|spam messages|junk|junk mail|ads|adverts|\
                advertisements|advertising|advertisement|promotions|promotional emails|\
                promotional mail|promotional mails|promotional material|promotional messages|promo emails|\
                promos|marketing|marketing emails|marketing mail|marketing messages|messages|offers|\
                mailings|correspondence|crap|garbage|rubbish|trash|email communications|\
                email communication|email marketing|such emails|email messages|email notifications|\
                solicitations|unsolicited emails|unsolicited email|email from you|mail from you|\
                emails from you|email from your company|any email|any mail|more email|more mail|\
                more spam|this email|this mail|this spam|your spam|these spam|communications|\
                email updates|bulk mail|mass emails|email blasts|digest|digests",
            ),
            (
                List,
                "list|lists|mailing list|mailing lists|mailinglist|mailinglists|mail list|mail lists|\
                email list|email lists|e-mail list|database|distribution list|distribution lists|\
                distribution|distro|mailing|mailings|subscriber list|subscriber lists|contact list|\
                contacts|contact lists|subscribers|records|files|system|newsletter list",
            ),
            (
                Me,
                "me|us|take me off|take us off|get me off|get us off|opt me out|my email|my e-mail|my email address|my e-mail address|my address|my emailaddress|\
                my mail address|my mail|my mailbox|my name|our email|our email address|our address|\
                our addresses|our company|our name|this email address|this address|this e-mail address|\
                this mailbox|my other address|my inbox|myself|ourselves|my email id|\
                my mail id|this email id",
            ),
            (
                Not,
                "not|don't|dont|do not|don t|never|no longer|no more|no further|no emails|no email|\
                no mail|no spam|no newsletter|no newsletters|no messages|no ads",
            ),
            (
                More,
                "again|anymore|any more|ever|ever again|more|further|future|in the future|in future|\
                from now on|additional|going forward|any longer|no longer|no more|no further",
            ),
            (Please, "please|pls|plz|kindly|thanks|thank you|thx"),
            (
                Ask,
                "can you|could you|would you|will you|can u|could u|may you|would you mind|\
                can i|could i|may i|can we|could we|can someone|could someone",
            ),
            (
                Filler,
                "i|i'm|i am|we|we are|i'd|we'd|i would|we would|you|your|yours|the|this|that|these|\
                those|any|all|of|off|from|on|to|out|it|and|so|just|immediately|now|right now|asap|\
                today|at once|once and for all|permanently|promptly|forthwith|hereby|request|request to|\
                request you to|would request you to|ask|ask you to|ask to|want you to|to be|be|being|\
                my details|my data|my account|my information|my info|my contact|via|for|at|in|with|such|kind|kind of|company|organization|organisation|part of|\
                email|e-mail|mail|soon|as soon as possible|anything|everything|every|each|some|\
                further notice|effective immediately|instantly|sir|madam|team|dear|hello|hi|hey|ok|\
                okay|well|also|totally|completely|entirely|altogether|am|are|please do|services|service|\
                subscription|subscriptions|my subscription|unwanted|unsolicited|useless|stupid|\
                annoying|damn|fucking|goddamn|bloody|my|our|them|site|website|campaign|campaigns|\
                like to|like",
            ),
        ],
    },
    Language {
        name: "de",
        words: &[
            (
                Leave,
                "abmelden|abmeldung|abbestellen|abbestellung|austragen|ab|abzumelden|abzubestellen|\
                auszutragen|abgemeldet werden|ausgetragen werden|\
                abonnement beenden|abo beenden|abo kündigen|unsubscribe|abmelde|abbestelle",
            ),
            (
                Remove,
                "löschen|lösche|löscht|entfernen|entferne|entfernt|streichen|streicht|streiche|\
                tragen|trage|tragt|gelöscht werden|entfernt werden|gestrichen werden|zu löschen|\
                zu entfernen|zu streichen|loeschen|herausnehmen|rausnehmen",
            ),
            (Draw, "nehmen|nehmt|nimm|werfen|schmeißen"),
            (
                Stop,
                "stoppen|stoppen sie|beenden|beenden sie|unterlassen|unterlassen sie|einstellen|\
                einzustellen|stopp|stop|hören|hört|aufhören|schluss mit|genug|kündige|\
                kündigen|kündigung|storniere|widerspreche|widerrufe|untersage",
            ),
            (
                Send,
                "senden|sende|sendet|schicken|schickt|schicke|zusenden|zuschicken|zu senden|\
                zu schicken|zuzusenden|anschreiben|anmailen|kontaktieren|schreiben|schreibt|zumailen|\
                belästigen|versenden",
            ),
            (Want, "möchte|möchten|will|wollen|wünsche|wünschen|brauche|brauchen|benötige|wünscht"),
            (
                Receive,
                "erhalten|bekommen|empfangen|kriegen|haben|zu erhalten|zu bekommen|erhalte|\
                bekomme|bekommt|kriege|beziehen",
            ),
            (
                Mail,
                "mail|mails|e-mail|e-mails|email|emails|newsletter|newslettern|newsletters|nachrichten|\
                werbung|werbemails|werbe-mails|werbe-e-mails|werbeemails|werbenachrichten|spam|\
                spammails|rundmails|rundschreiben|mailings|angebote|post|infomails|zusendungen|\
                benachrichtigungen|werbepost",
            ),
            (
                List,
                "liste|listen|verteiler|verteilern|verteilerliste|mailverteiler|e-mail-verteiler|\
                emailverteiler|mailingliste|mailingliste|mailing-liste|mailinglisten|datenbank|\
                adressliste|kartei|empfängerliste|abonnentenliste|mailing list|newsletter-verteiler|\
                newsletterverteiler|e-mail-liste|kontaktliste|adressverteiler|bestand|datei",
            ),
            (
                Me,
                "mich|mir|uns|meine adresse|meine e-mail-adresse|meine emailadresse|meine mailadresse|\
                meine e-mailadresse|meine email-adresse|meine mail-adresse|unsere adresse|\
                diese adresse|diese e-mail-adresse|meinen namen|meine e-mail adresse|\
                meine email adresse|unsere e-mail-adresse|meiner adresse|meiner e-mail-adresse",
            ),
            (Not, "nicht|keine|keinen|kein|keiner|keinerlei|nie|niemals|nichts"),
            (
                More,
                "mehr|weitere|weiteren|wieder|nie wieder|länger|weiterhin|künftig|zukünftig|\
                in zukunft|ab sofort|fortan",
            ),
            (Please, "bitte|danke|vielen dank|bitten"),
            (
                Ask,
                "können sie|könnten sie|könnt ihr|könntet ihr|kannst du|könntest du|würden sie|\
                kann ich|kann ich mich",
            ),
            (
                Filler,
                "ich|wir|sie|ihr|du|meine daten|ihre|ihrer|ihrem|ihren|ihnen|eure|euren|eurem|eurer|euch|der|die|\
                das|den|dem|des|diese|dieser|diesen|diesem|dieses|alle|allen|von|vom|aus|zu|zum|zur|an|\
                auf|in|im|mit|und|sofort|umgehend|jetzt|hiermit|melden|meldet|melde|meinen|meine|mein|\
                per|für|solche|solchen|derartige|derartigen|heraus|raus|damit|doch|einfach|\
                endlich|bestelle|bestellen|darum|sich|unverzüglich|werden|hallo|firma|auch|\
                sehr geehrte damen und herren|guten tag|abo|abonnement|abonnements|es|den bezug|\
                den versand|versand|die zusendung|zusendung|der zusendung|lassen|lasst|interesse an|\
                bei|unerwünschte|unerwünschten|lästigen",
            ),
        ],
    },
    Language {
        name: "fr",
        words: &[
            (
                Leave,
                "désabonner|désabonnez|désabonne|désabonnement|désabonnez-moi|désabonnez-nous|\
                désinscrire|désinscrivez|désinscris|désinscription|désinscrivez-moi|désinscrivez-nous|\
                être désabonné|être désabonnée|être désinscrit|être désinscrite|desabonner|desabonnez|\
                desabonnement|desinscrire|desinscrivez|desinscription|désabonnez moi|désabonnés|\
                unsubscribe|me désabonne|annuler mon abonnement|\
                annulation de mon abonnement|annulez mon abonnement",
            ),
            (
                Remove,
                "retirer|retirez|retirez-moi|retirez-nous|supprimer|supprimez|supprimez-moi|enlever|\
                enlevez|enlevez-moi|effacer|effacez|rayer|rayez|rayez-moi|ôter|ôtez|radier|radiez|\
                radiez-moi|sortir|sortez-moi|être retiré|être retirée|être supprimé|exclure|\
                être retirés",
            ),
            (
                Stop,
                "arrêter|arrêtez|arrêtez de|arrêter de|arreter|arretez|arretez de|cesser|cessez|\
                cesser de|cessez de|stop|stopper|stoppez|fin|assez|assez de|marre de|mettre fin à|résilier|\
                résilie|résiliation",
            ),
            (
                Send,
                "envoyer|envoyez|m'envoyer|m'envoyez|nous envoyer|nous envoyez|adresser|m'adresser|\
                contacter|contactez|me contacter|m'écrire|écrire|écrivez|spammer|m'embêter|envoi|\
                l'envoi|envois|les envois|me solliciter|solliciter|importuner|harceler",
            ),
            (
                Want,
                "veux|voudrais|souhaite|souhaitons|désire|désirons|voulons|aimerais|veut|\
                suis pas intéressé par",
            ),
            (Receive, "recevoir|reçois|être contacté|être contactée|avoir"),
            (
                Mail,
                "mail|mails|e-mail|e-mails|email|emails|courriel|courriels|courrier|courriers|message|\
                messages|newsletter|newsletters|lettre d'information|lettres d'information|infolettre|\
                infolettres|publicité|publicités|pub|pubs|spam|spams|offres|publipostage|promotions|\
                promos|sollicitations|mailing|mailings|bulletin|bulletins|communications|notifications",
            ),
            (
                List,
                "liste|listes|liste de diffusion|listes de diffusion|liste d'envoi|listes d'envoi|\
                mailing list|mailing-list|base|bases|base de données|bases de données|fichier|fichiers|\
                liste de distribution|liste d'envois|liste de contacts|liste mail|liste email|\
                liste d'emails|diffusion|liste de mailing|fichier client|liste de contact",
            ),
            (
                Me,
                "moi|nous|mon adresse|mon adresse mail|mon adresse email|mon adresse e-mail|\
                mon adresse électronique|mon email|mon mail|mon e-mail|mon courriel|cette adresse|\
                notre adresse|mon nom|cette adresse mail|me|\
                retirez-moi|retirez-nous|supprimez-moi|enlevez-moi|rayez-moi|radiez-moi|sortez-moi",
            ),
            (Not, "ne|n'|pas|jamais|aucun|aucune|non"),
            (More, "plus|davantage|à l'avenir|désormais|dorénavant|encore|à nouveau"),
            (
                Please,
                "merci|svp|stp|s'il vous plaît|s'il vous plait|s'il te plaît|merci de|veuillez|\
                prière de|je vous prie|je vous prie de|merci de bien vouloir|veuillez bien|\
                veuillez s'il vous plaît|merci d'avance",
            ),
            (
                Ask,
                "pouvez-vous|pourriez-vous|pouvez vous|pourriez vous|peux-tu|pourrais-tu|puis-je|\
                est-il possible de|serait-il possible de",
            ),
            (
                Filler,
                "je|mes coordonnées|mes données|nos coordonnées|j'|j'ai|de|d'|du|des|la|le|les|l'|un|une|à|au|aux|en|et|vos|votre|vous|ces|ce|cet|\
                cette|ceux|par|sur|tous|toutes|tout|toute|mon|ma|mes|notre|nos|immédiatement|maintenant|\
                rapidement|dans les plus brefs délais|demande|demandons|demande à|à être|me|m'|\
                abonnement|d'abonnement|l'abonnement|demander|bonjour|monsieur|madame|bien|vouloir|\
                de votre part|part|société|intempestifs|indésirables|publicitaires|commerciaux|\
                commerciales|électroniques|toute|définitivement|vos envois|suis|sommes|être|que|se",
            ),
        ],
    },
    Language {
        name: "es",
        words: &[
            (
                Leave,
                "baja|darme de baja|darnos de baja|dar de baja|dadme de baja|denme de baja|\
                deme de baja|dame de baja|me den de baja|nos den de baja|darse de baja|de baja|\
                doy de baja|desuscribir|desuscribirme|desuscríbanme|desuscríbame|desuscribanme|\
                desuscribame|desuscríbeme|desinscribir|desinscribirme|desinscribanme|desapuntarme|\
                cancelar mi suscripción|cancelar suscripción|cancelar la suscripción|cancelen mi suscripción|\
                cancele mi suscripción|cancelar mi suscripcion|cancelar suscripcion|cancelar la suscripcion|\
                anular mi suscripción|anular suscripción|anular la suscripción|\
                cancelación de suscripción|cancelación de mi suscripción|cancelar esta suscripción|\
                desubscribir|desubscribirme|dese de baja|desafiliarme|unsubscribe",
            ),
            (
                Remove,
                "eliminar|eliminarme|eliminen|elimine|elimínenme|elimíneme|eliminenme|elimineme|\
                borrar|borrarme|borren|borre|bórrenme|bórreme|borrenme|borreme|quitar|quitarme|quiten|\
                quite|quítenme|quíteme|quitenme|quiteme|sacar|sacarme|saquen|sáquenme|saquenme|\
                sáqueme|excluir|excluirme|excluyan|retirar|retirarme|retiren|retírenme|remover|\
                remuevan|remuévanme|ser eliminado|ser eliminada|ser removido|me eliminen|me borren|\
                me quiten|me saquen|eliminadme|borradme|quitadme",
            ),
            (
                Stop,
                "dejar de|dejen de|deje de|dejad de|deja de|paren de|parar de|pare de|parad de|cesen|\
                cesar|basta|basta de|stop|suspendan|suspender|suspenda|alto",
            ),
            (
                Send,
                "enviar|enviarme|envíen|envien|envíe|envie|envíenme|envieme|enviéis|enviar|mandar|\
                mandarme|manden|mande|mandéis|escribir|escribirme|escriban|contactar|contactarme|\
                contacten|molestar|molestarme|molesten|enviando|mandando|remitir|remitan|el envío|\
                el envío de|envío|envío de",
            ),
            (
                Want,
                "quiero|queremos|deseo|deseamos|quisiera|me gustaría|necesito|me interesa|quiere",
            ),
            (
                Receive,
                "recibir|recibirlos|recibo|seguir recibiendo|recibiendo|ser contactado|tener",
            ),
            (
                Mail,
                "correo|correos|correos electrónicos|correos electronicos|email|emails|e-mail|e-mails|\
                mail|mails|mensaje|mensajes|boletín|boletines|boletin|newsletter|newsletters|publicidad|\
                spam|propaganda|promociones|ofertas|comunicaciones|notificaciones|mailing|\
                correo basura|correos basura|correo electrónico|anuncios|información comercial",
            ),
            (
                List,
                "lista|listas|lista de correo|listas de correo|lista de distribución|\
                lista de distribucion|lista de correos|lista de envío|lista de envíos|base de datos|\
                bases de datos|mailing list|lista de contactos|lista de difusión|listado|listados|\
                lista de suscriptores|lista de emails|lista de mail|lista de suscripción|ficheros",
            ),
            (
                Me,
                "me|mí|nos|mi correo|mi email|mi e-mail|mi mail|mi dirección|mi direccion|\
                mi correo electrónico|mi correo electronico|mi dirección de correo|\
                mi dirección de correo electrónico|mi dirección de email|mi nombre|\
                este correo|esta dirección|este email|nuestra dirección|nuestro correo|\
                elimínenme|elimíneme|eliminenme|elimineme|eliminarme|bórrenme|bórreme|borrenme|borreme|\
                borrarme|me eliminen|me borren|eliminadme|borradme",
            ),
            (Not, "no|nunca|jamás|ningún|ninguna|tampoco"),
            (More, "más|mas|nunca más|en el futuro|en adelante|nuevamente|de nuevo|otra vez|ya"),
            (
                Please,
                "por favor|porfavor|gracias|favor de|favor|ruego|ruego que|agradecería|le agradecería|\
                les agradecería|agradezco|le ruego|les ruego|muchas gracias|le pido|les pido",
            ),
            (Ask, "pueden|puede|podrían|podría|podéis|podríais|puedes|podrías|puedo|podría ser"),
            (
                Filler,
                "yo|de|del|la|el|lo|los|las|un|una|a|al|en|y|su|sus|vuestra|vuestro|vuestros|tu|tus|\
                esta|este|estos|estas|esto|ese|esos|esa|todas|todos|todo|toda|inmediatamente|\
                ahora|cuanto antes|solicito|solicitamos|solicito que|solicitar|pido|que|se|por|\
                mi|ustedes|usted|les|le|tipo|tipo de|hola|buenos días|buenas tardes|con|empresa|\
                suscripción|suscripcion|cancelar|ser|mis datos|quiero que|\
                deseo que|definitivamente|parte|de su parte|por parte de",
            ),
        ],
    },
];
