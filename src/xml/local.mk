# files of src/xml
