"""`relay company discover` prints settings to write down, and what to do at the provider first."""


def test_a_known_provider_is_told_with_its_steps(place):
    ended = place.run("company", "discover", "info@gmail.com")
    assert ended.code == 0
    assert "    host: smtp.gmail.com\n    port: 465\n    tls: implicit\n    username: info@gmail.com\n" in ended.out
    assert "1. Google takes no ordinary password" in ended.out


def test_the_steps_come_in_the_companys_language(place):
    assert "wachtwoord" in place.run("company", "discover", "info@icloud.com", "--language", "nl").out


def test_machines_get_json(place):
    told = place.run("company", "discover", "info@gmail.com", "--json").json
    assert told["provider"] == "Google"
    assert told["smtp"] == {
        "host": "smtp.gmail.com",
        "port": 465,
        "tls": "implicit",
        "username": "info@gmail.com",
        "logins": ["oauth2", "password"],
    }


def test_what_is_not_found_says_where_was_looked(place):
    ended = place.run("company", "discover", "info@[192.0.2.1]")
    assert ended.code == 1
    assert "no server found" in ended.out
    assert place.run("company", "discover", "info@[192.0.2.1]", "--json").json["smtp"] is None


def test_what_is_no_address_is_said(place):
    assert place.run("company", "discover", "info").code == 2
