//! What members are told by mail and on the page behind its link, in the languages of accounts.

use crate::accounts::Language;

/// Words in one language; `{account}` and `{host}` stand for names, `{hours}` for how long a link holds.
pub(super) struct Words {
    pub(super) invited: &'static str,
    pub(super) invited_text: &'static str,
    pub(super) reset: &'static str,
    pub(super) reset_text: &'static str,
    /// For who did not ask for it.
    pub(super) ignore: &'static str,
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    /// How a password must be.
    pub(super) rule: &'static str,
    pub(super) go: &'static str,
    pub(super) done: &'static str,
}

macro_rules! words {
    ($($language:ident: $invited:literal, $invited_text:literal, $reset:literal, $reset_text:literal, $ignore:literal, $name:literal, $password:literal, $rule:literal, $go:literal, $done:literal;)+) => {
        /// The words of a language.
        pub(super) fn words(language: Language) -> &'static Words {
            match language {
                $(Language::$language => &Words {
                    invited: $invited,
                    invited_text: $invited_text,
                    reset: $reset,
                    reset_text: $reset_text,
                    ignore: $ignore,
                    name: $name,
                    password: $password,
                    rule: $rule,
                    go: $go,
                    done: $done,
                },)+
            }
        }
    };
}

words! {
    En: "You are invited to {account}",
        "Somebody invites you to work in the account {account} of the mail relay {host}. This link lets you in; it holds for {hours} hours and serves once:",
        "A new password for {host}",
        "This link sets a new password for the mail relay {host}; it holds for {hours} hours and serves once:",
        "If you did not expect this, there is nothing to do: without the link nothing happens.",
        "Your name", "Password", "12 to 128 characters; a few words in a row are a good one. If you are known here already: your present password.",
        "Go on", "Done. You can log in now.";
    Zh: "邀请您加入 {account}",
        "有人邀请您在邮件中继 {host} 的帐户 {account} 中工作。请打开此链接；链接 {hours} 小时内有效，只能使用一次：",
        "{host} 的新密码",
        "此链接用于为邮件中继 {host} 设置新密码；{hours} 小时内有效，只能使用一次：",
        "如果您没有预料到此邮件，无需任何操作：不打开链接就不会发生任何事。",
        "您的姓名", "密码", "12 至 128 个字符；几个连续的词语就很好。如果您已有帐号，请输入现有密码。",
        "继续", "完成。您现在可以登录。";
    Ja: "{account} への招待",
        "メールリレー {host} のアカウント {account} に招待されました。次のリンクからお入りください。有効期間は {hours} 時間、一度だけ使えます：",
        "{host} の新しいパスワード",
        "次のリンクでメールリレー {host} の新しいパスワードを設定できます。有効期間は {hours} 時間、一度だけ使えます：",
        "心当たりがない場合は何もする必要はありません。リンクを開かなければ何も起こりません。",
        "お名前", "パスワード", "12〜128 文字。いくつかの単語を並べたものが良いでしょう。すでに登録済みの方は現在のパスワードを入力してください。",
        "進む", "完了しました。ログインできます。";
    Ko: "{account} 초대",
        "메일 릴레이 {host}의 계정 {account}에 초대되었습니다. 아래 링크로 들어오십시오. {hours}시간 동안 한 번만 쓸 수 있습니다:",
        "{host}의 새 비밀번호",
        "아래 링크로 메일 릴레이 {host}의 새 비밀번호를 정할 수 있습니다. {hours}시간 동안 한 번만 쓸 수 있습니다:",
        "예상하지 못한 메일이라면 아무것도 하지 않으셔도 됩니다. 링크를 열지 않으면 아무 일도 일어나지 않습니다.",
        "이름", "비밀번호", "12~128자. 몇 개의 낱말을 이어 쓰면 좋습니다. 이미 등록되어 있으면 현재 비밀번호를 입력하십시오.",
        "계속", "완료되었습니다. 이제 로그인할 수 있습니다.";
    De: "Einladung zu {account}",
        "Jemand lädt Sie ein, im Konto {account} des Mail-Relays {host} mitzuarbeiten. Dieser Link lässt Sie hinein; er gilt {hours} Stunden und nur einmal:",
        "Ein neues Passwort für {host}",
        "Dieser Link setzt ein neues Passwort für das Mail-Relay {host}; er gilt {hours} Stunden und nur einmal:",
        "Wenn Sie das nicht erwartet haben, ist nichts zu tun: Ohne den Link geschieht nichts.",
        "Ihr Name", "Passwort", "12 bis 128 Zeichen; ein paar Wörter hintereinander sind gut. Wenn Sie hier schon bekannt sind: Ihr jetziges Passwort.",
        "Weiter", "Fertig. Sie können sich jetzt anmelden.";
    Fr: "Invitation à rejoindre {account}",
        "Quelqu'un vous invite à travailler dans le compte {account} du relais de courrier {host}. Ce lien vous y fait entrer ; il est valable {hours} heures et une seule fois :",
        "Un nouveau mot de passe pour {host}",
        "Ce lien fixe un nouveau mot de passe pour le relais de courrier {host} ; il est valable {hours} heures et une seule fois :",
        "Si vous ne vous y attendiez pas, il n'y a rien à faire : sans le lien, rien ne se passe.",
        "Votre nom", "Mot de passe", "De 12 à 128 caractères ; quelques mots à la suite conviennent. Si vous êtes déjà connu ici : votre mot de passe actuel.",
        "Continuer", "C'est fait. Vous pouvez maintenant vous connecter.";
    Es: "Invitación a {account}",
        "Alguien le invita a trabajar en la cuenta {account} del relé de correo {host}. Este enlace le da acceso; vale {hours} horas y una sola vez:",
        "Una nueva contraseña para {host}",
        "Este enlace fija una nueva contraseña para el relé de correo {host}; vale {hours} horas y una sola vez:",
        "Si no lo esperaba, no hay nada que hacer: sin el enlace no ocurre nada.",
        "Su nombre", "Contraseña", "De 12 a 128 caracteres; unas palabras seguidas son buenas. Si ya es conocido aquí: su contraseña actual.",
        "Continuar", "Hecho. Ya puede iniciar sesión.";
    Pt: "Convite para {account}",
        "Alguém convida você a trabalhar na conta {account} do relay de correio {host}. Este link dá acesso; vale por {hours} horas e uma só vez:",
        "Uma nova senha para {host}",
        "Este link define uma nova senha para o relay de correio {host}; vale por {hours} horas e uma só vez:",
        "Se não esperava isto, não há nada a fazer: sem o link nada acontece.",
        "Seu nome", "Senha", "De 12 a 128 caracteres; algumas palavras seguidas são boas. Se já é conhecido aqui: a sua senha atual.",
        "Continuar", "Pronto. Já pode entrar.";
    It: "Invito a {account}",
        "Qualcuno la invita a lavorare nell'account {account} del relay di posta {host}. Questo link la fa entrare; vale {hours} ore e una sola volta:",
        "Una nuova password per {host}",
        "Questo link imposta una nuova password per il relay di posta {host}; vale {hours} ore e una sola volta:",
        "Se non se lo aspettava, non deve fare nulla: senza il link non succede niente.",
        "Il suo nome", "Password", "Da 12 a 128 caratteri; alcune parole di seguito vanno bene. Se è già noto qui: la sua password attuale.",
        "Avanti", "Fatto. Ora può accedere.";
    Nl: "Uitnodiging voor {account}",
        "Iemand nodigt u uit om in het account {account} van de mailrelay {host} te werken. Deze link laat u binnen; hij geldt {hours} uur en één keer:",
        "Een nieuw wachtwoord voor {host}",
        "Deze link stelt een nieuw wachtwoord in voor de mailrelay {host}; hij geldt {hours} uur en één keer:",
        "Als u dit niet verwachtte, hoeft u niets te doen: zonder de link gebeurt er niets.",
        "Uw naam", "Wachtwoord", "12 tot 128 tekens; een paar woorden achter elkaar is goed. Als u hier al bekend bent: uw huidige wachtwoord.",
        "Verder", "Klaar. U kunt nu inloggen.";
    Ru: "Приглашение в {account}",
        "Вас приглашают работать в учётной записи {account} почтового ретранслятора {host}. Эта ссылка действует {hours} ч и только один раз:",
        "Новый пароль для {host}",
        "По этой ссылке задаётся новый пароль для почтового ретранслятора {host}; она действует {hours} ч и только один раз:",
        "Если вы этого не ожидали, ничего делать не нужно: без ссылки ничего не произойдёт.",
        "Ваше имя", "Пароль", "От 12 до 128 знаков; хорошо подходят несколько слов подряд. Если вас здесь уже знают: ваш нынешний пароль.",
        "Дальше", "Готово. Теперь можно войти.";
    Pl: "Zaproszenie do {account}",
        "Ktoś zaprasza do pracy na koncie {account} przekaźnika poczty {host}. Ten odnośnik wpuszcza; jest ważny {hours} godz. i tylko raz:",
        "Nowe hasło do {host}",
        "Ten odnośnik ustawia nowe hasło do przekaźnika poczty {host}; jest ważny {hours} godz. i tylko raz:",
        "Jeśli to niespodzianka, nie trzeba nic robić: bez odnośnika nic się nie stanie.",
        "Imię i nazwisko", "Hasło", "Od 12 do 128 znaków; dobrych jest kilka słów po kolei. Kto jest tu już znany: obecne hasło.",
        "Dalej", "Gotowe. Można się teraz zalogować.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_names_what_it_must() {
        for language in Language::ALL {
            let words = words(language);
            let name = language.name();
            assert!(words.invited.contains("{account}"), "{name}");
            for key in ["{account}", "{host}", "{hours}"] {
                assert!(words.invited_text.contains(key), "{name} {key}");
            }
            assert!(words.reset_text.contains("{host}") && words.reset_text.contains("{hours}"));
            assert!(words.rule.contains("12") && words.rule.contains("128"), "{name}");
        }
    }
}
