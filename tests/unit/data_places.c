/* SPDX-License-Identifier: MIT */
/* Where data is looked for. */
#include "base_support.h"

#include "core/data/places.h"

static struct opu_places places;

/* "a, b" of the places listed under an environment; NULL: the variable is unset. */
static void assert_places(const char *data_dir, const char *xdg, const char *home,
                          const char *group, const char *wanted)
{
    const char *const names[3] = {"OPU_DATA_DIR", "XDG_DATA_HOME", "HOME"};
    const char *const values[3] = {data_dir, xdg, home};
    char text[512];
    for (size_t i = 0; i < 3; i++) {
        if (values[i]) {
            assert_int_equal(setenv(names[i], values[i], 1), 0);
        } else {
            assert_int_equal(unsetenv(names[i]), 0);
        }
    }
    opu_places_list(&places, NULL, group, "set");
    opu_places_text(&places, text, sizeof text);
    assert_string_equal(text, wanted);
}

static void the_environment_names_the_places(void **state)
{
    (void)state;
    assert_places("/d", "/x", "/h", "", "/d/set, /x/opu/set");
    assert_places("/d", NULL, "/h", "group", "/d/group/set, /d/set, /h/.local/share/opu/set");
    assert_places(NULL, "", "/h", "group", "/h/.local/share/opu/set");
    assert_places("", NULL, NULL, "", "");
}

static void a_folder_that_is_given_is_the_only_place(void **state)
{
    (void)state;
    opu_places_list(&places, "here", "group", "set");
    assert_int_equal(places.n, 1);
    assert_string_equal(places.dir[0], "here");
}

static void a_name_that_is_too_long_is_left_out(void **state)
{
    (void)state;
    char name[OPU_PLACE_SIZE + 1];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    opu_places_list(&places, name, "", "set");
    assert_int_equal(places.n, 0);
}

static void a_list_is_cut_where_it_does_not_fit(void **state)
{
    (void)state;
    char text[8];
    places.n = 0;
    opu_places_add(&places, "abc", "");
    opu_places_add(&places, "defghi", "");
    opu_places_text(&places, text, sizeof text);
    assert_string_equal(text, "abc, de");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_names_the_places),
        cmocka_unit_test(a_folder_that_is_given_is_the_only_place),
        cmocka_unit_test(a_name_that_is_too_long_is_left_out),
        cmocka_unit_test(a_list_is_cut_where_it_does_not_fit),
    };
    return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
