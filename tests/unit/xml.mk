# unit tests of xml
