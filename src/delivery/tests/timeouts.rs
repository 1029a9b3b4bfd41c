//! The times that a server is given, as the RFC has them.

use crate::config::Delivery;

#[test]
fn a_server_is_given_the_time_that_the_rfc_grants_for_each_command() {
    let settings = Delivery::default();
    let minutes = |count: u64| std::time::Duration::from_secs(count * 60);
    //= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.1
    //= type=test
    //# Initial 220 Message: 5 Minutes
    assert!(settings.greeting_timeout.0 >= minutes(5));
    //= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.2
    //= type=test
    //# MAIL Command: 5 Minutes
    assert!(settings.mail_timeout.0 >= minutes(5));
    //= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.3
    //= type=test
    //# RCPT Command: 5 Minutes
    assert!(settings.rcpt_timeout.0 >= minutes(5));
    //= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.4
    //= type=test
    //# DATA Initiation: 2 Minutes
    assert!(settings.data_timeout.0 >= minutes(2));
    //= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.5
    //= type=test
    //# Data Block: 3 Minutes
    assert!(settings.block_timeout.0 >= minutes(3));
    //= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.6
    //= type=test
    //# DATA Termination: 10 Minutes.
    assert!(settings.dot_timeout.0 >= minutes(10));
    // A whole message may take each of them once.
    let all = [settings.mail_timeout, settings.rcpt_timeout, settings.data_timeout];
    let all = all.iter().map(|span| span.0).sum::<std::time::Duration>() + settings.block_timeout.0;
    assert!(settings.transaction_timeout.0 >= all);
}
