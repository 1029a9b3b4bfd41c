//! A text in the one form in which words are compared: compatibility forms folded, lower case, simplified
//! Chinese, the plain letters of Arabic, plain punctuation, single blanks; and the ways in which people write a
//! word without its accents.

use unicode_normalization::UnicodeNormalization;

/// NFKC, lower case, simplified, blanks single.
pub(super) fn normal(text: &str) -> String {
    let shown = text.nfkc().filter(|&c| !is_invisible(c));
    let folded = shown.flat_map(char::to_lowercase).map(|c| match c {
        '’' | '‘' | '`' | '´' => '\'',
        c if is_ideograph(c) => simplified(c),
        c => plain_letter(c),
    });
    let mut out = String::new();
    for c in folded {
        // The capital "İ" in lower case, and the vowel marks of Arabic, which few write.
        if matches!(c, '\u{307}' | '\u{640}' | '\u{64b}'..='\u{652}') {
            continue;
        }
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.trim().to_owned()
}

/// Letters of Arabic, Persian and Greek that are written one for the other.
fn plain_letter(c: char) -> char {
    match c {
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' | 'ی' => 'ي',
        'ة' => 'ه',
        'ک' => 'ك',
        'ς' => 'σ',
        c => c,
    }
}

/// A word in normal form as it is written without its accents, where that makes another word: bare as in
/// "desinscription", with two letters as in "loeschen", and as the capitals of Turkish come out in lower case.
pub(super) fn unaccented(word: &str) -> Vec<String> {
    if word.is_ascii() {
        return Vec::new();
    }
    let two = |c| match c {
        'ä' | 'æ' => "ae",
        'ö' | 'ø' => "oe",
        'ü' => "ue",
        'å' => "aa",
        'ß' => "ss",
        _ => "",
    };
    let doubled = word.chars().fold(String::new(), |mut out, c| {
        if two(c).is_empty() {
            out.push(c);
        } else {
            out.push_str(two(c));
        }
        out
    });
    let mut found = Vec::new();
    for form in [word.replace('ı', "i"), bare_letters(word), bare_letters(&doubled)] {
        if form != word && !found.contains(&form) {
            found.push(form);
        }
    }
    found
}

/// Latin and Greek letters without what stands above, below or across them.
fn bare_letters(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        let mut parts = std::iter::once(c).nfd();
        match (c, parts.next()) {
            ('ß', _) => out.push_str("ss"),
            ('æ', _) => out.push_str("ae"),
            ('œ', _) => out.push_str("oe"),
            ('ł', _) => out.push('l'),
            ('đ', _) => out.push('d'),
            ('ø', _) => out.push('o'),
            ('ı', _) => out.push('i'),
            (_, Some(base @ ('a'..='z' | 'α'..='ω'))) => out.push(base),
            _ => out.push(c),
        }
    }
    out
}

/// Traditional characters of the keywords as their simplified ones.
#[rustfmt::skip]
fn simplified(c: char) -> char {
    match c {
        '訂' => '订', '閱' => '阅', '請' => '请', '覆' => '复', '復' => '复', '郵' => '邮', '發' => '发',
        '這' => '这', '給' => '给', '從' => '从', '單' => '单', '刪' => '删', '會' => '会', '為' => '为',
        '麼' => '么', '謝' => '谢', '絕' => '绝', '幫' => '帮', '誤' => '误', '錯' => '错', '問' => '问',
        '嗎' => '吗', '別' => '别', '們' => '们', '電' => '电', '報' => '报', '廣' => '广', '擾' => '扰',
        '騷' => '骚', '類' => '类', '資' => '资', '訊' => '讯', '將' => '将', '銷' => '销', '傳' => '传',
        '貴' => '贵', '無' => '无', '沒' => '没', '戶' => '户', '號' => '号', '終' => '终', '繼' => '继',
        '續' => '续', '種' => '种', '個' => '个', '裡' => '里', '還' => '还', '來' => '来', '過' => '过',
        '點' => '点', '說' => '说', '後' => '后', '於' => '于', '對' => '对', '與' => '与', '數' => '数',
        '據' => '据', '庫' => '库', '見' => '见', '關' => '关', '寫' => '写', '現' => '现', '處' => '处',
        '強' => '强', '時' => '时', '間' => '间', '內' => '内', '簡' => '简', '聯' => '联', '絡' => '络',
        '繫' => '系', '員' => '员', '務' => '务', '該' => '该', '讓' => '让', '動' => '动', '黃' => '黄',
        '營' => '营', '煩' => '烦', '遞' => '递', '轉' => '转', '錄' => '录', '勞' => '劳', '懇' => '恳',
        '託' => '托', '標' => '标', '題' => '题', '頻' => '频', '選' => '选', '擇' => '择', '認' => '认',
        '確' => '确', '權' => '权', '護' => '护', '隱' => '隐', '離' => '离', '職' => '职', '舉' => '举',
        '訴' => '诉', '購' => '购', '應' => '应', '約' => '约', '課' => '课', '費' => '费', '貨' => '货',
        '樣' => '样', '帳' => '帐', '賬' => '账', '簽' => '签', '議' => '议', '險' => '险', '機' => '机',
        '車' => '车', '館' => '馆', '門' => '门', '預' => '预', '進' => '进', '實' => '实', '話' => '话',
        '產' => '产', '設' => '设', '總' => '总', '經' => '经', '買' => '买', '優' => '优', '爛' => '烂',
        '開' => '开', '啟' => '启', '許' => '许', '體' => '体', '規' => '规', '檔' => '档', '馬' => '马',
        '註' => '注', '冊' => '册', '寧' => '宁', '圖' => '图',
        c => c,
    }
}

pub(super) fn is_edge(c: char) -> bool {
    c.is_whitespace()
        || c.is_ascii_punctuation()
        || "“”‘’„‚‹›「」『』【】《》〈〉〔〕()（）。、，！？：；…·•~～—–«»¡¿؟،؛।・★☆※→←↑↓■□●○◆◇"
            .contains(c)
        || matches!(c, '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
        // Laughter and tears: ㅋㅋ, ㅎㅎ, ㅠㅠ, ㅜㅜ.
        || matches!(c, 'ㅋ' | 'ㅎ' | 'ㅠ' | 'ㅜ' | '\u{110f}' | '\u{1112}' | '\u{116e}' | '\u{1172}')
}

/// An utterance without the punctuation around it.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches(is_edge)
}

/// Characters that show nothing: zero-width ones, marks of direction, soft hyphens, variation selectors.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

pub(super) fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}
