//! A text in the one form in which words are compared: compatibility forms folded, lower case, simplified
//! Chinese, plain punctuation, single blanks.

use unicode_normalization::UnicodeNormalization;

/// NFKC, lower case, simplified, blanks single.
pub(super) fn normal(text: &str) -> String {
    let shown = text.nfkc().filter(|&c| !is_invisible(c));
    let folded = shown.flat_map(char::to_lowercase).map(|c| match c {
        '’' | '‘' | '`' | '´' => '\'',
        c if is_ideograph(c) => simplified(c),
        c => c,
    });
    let mut out = String::new();
    for c in folded {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.trim().to_owned()
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
        c => c,
    }
}

pub(super) fn is_edge(c: char) -> bool {
    c.is_whitespace()
        || c.is_ascii_punctuation()
        || "“”‘’„‚‹›「」『』【】《》〈〉〔〕()（）。、，！？：；…·•~～—–«»¡¿؟،؛।・★☆※→←↑↓■□●○◆◇"
            .contains(c)
        || matches!(c, '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
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
