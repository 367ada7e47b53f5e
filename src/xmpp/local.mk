# files of src/xmpp
