/* SPDX-License-Identifier: MIT */
/* The emulated board: optics borrowed from an open device, worked off by hand or by its thread. */
#include "driver_bench.h"

#include "driver/optics_device.h"

static void counts_are_those_of_the_device_itself(void **state)
{
    (void)state;
    struct frames *const frames = frames_make();
    struct opu_device *const device = open_device("sim:seed=3");
    frames_expose(frames, device);
    struct opu_wire_setup const setup = wire_setup();
    for (int threaded = 0; threaded < 2; threaded++) {
        struct bench bench;
        bench_open(&bench, (struct opu_board_options){.device = device,
                                                      .inline_work = threaded == 0,
                                                      .max_in_bytes = TOY_PACKET,
                                                      .max_out_bytes = TOY_PACKET});
        bench_configure(&bench, &setup);
        bench_show(&bench, frames, 1);
        bench_show(&bench, frames, 50);
        bench_show(&bench, frames, N_FRAMES); /* two sequences */
        assert_int_equal(host_statistics(&bench.f).frames, 3 * N_FRAMES);
        assert_true(host_statistics(&bench.f).upload_bytes > 0);
        bench_close(&bench);
    }
    opu_device_close(device);
    free(frames);
}

static void a_projector_of_400_patterns_shows_the_same(void **state)
{
    (void)state;
    struct frames *const frames = frames_make();
    struct opu_device *const device = open_device("sim:seed=3,tau=0.01");
    frames_expose(frames, device);
    struct opu_optics optics;
    assert_int_equal(opu_optics_device_create(&optics, NULL, device), OPU_OK);
    struct opu_pattern_ops few = *optics.pattern_ops;
    few.max_patterns = 400;
    optics.pattern_ops = &few;
    struct bench bench;
    bench_open(&bench, (struct opu_board_options){.optics = &optics, .inline_work = true});
    struct opu_wire_setup const setup = wire_setup();
    bench_configure(&bench, &setup);
    bench_show(&bench, frames, N_FRAMES);
    bench_close(&bench);
    opu_optics_device_destroy(&optics);
    opu_optics_device_destroy(&optics);
    opu_optics_device_destroy(NULL);
    opu_device_close(device);
    free(frames);
}

static struct opu_wire_info bench_info(struct bench *bench)
{
    uint8_t data[OPU_WIRE_CONTROL_BYTES];
    struct opu_wire_info info;
    int const n = host_request(&bench->f, true, OPU_WIRE_INFO, 0, data, sizeof data);
    assert_int_equal(opu_wire_get_info(&info, data, (size_t)n), OPU_WIRE_OK);
    return info;
}

static void facts_are_those_of_the_device(void **state)
{
    (void)state;
    struct opu_device *const device = open_device("sim:seed=3,bits=12");
    const struct opu_caps *const caps = opu_device_caps(device);
    struct bench bench;
    bench_open(&bench, (struct opu_board_options){.device = device, .inline_work = true});
    struct opu_wire_info const info = bench_info(&bench);
    assert_int_equal(info.flags, caps->flags & ~(uint32_t)OPU_CAP_FIELD);
    assert_int_equal(info.adc_bits, caps->adc_bits);
    assert_int_equal(info.default_bits, 12);
    assert_int_equal(info.max_inputs, caps->max_inputs);
    assert_int_equal(info.max_pixels, caps->max_pixels);
    assert_int_equal(info.max_exposures, caps->max_exposures);
    assert_int_equal(info.max_references, caps->max_references);
    assert_true(info.min_exposure_us == caps->min_exposure_us);
    assert_true(info.max_exposure_us == caps->max_exposure_us);
    assert_true(info.frame_rate_hz == caps->frame_rate_hz);
    assert_true(info.upload_bytes_per_s == caps->upload_bytes_per_s);
    assert_true(info.power_w == caps->power_w);
    assert_true(info.signal_per_us == caps->signal_per_us);
    assert_true(info.reference_per_us == caps->reference_per_us);
    assert_true(info.full_well_e == caps->full_well_e);
    assert_true(info.read_noise_e == caps->read_noise_e);
    assert_true(info.black_level == caps->black_level);
    assert_int_equal(info.shot_noise, caps->shot_noise);
    assert_string_equal(info.identity, opu_device_identity(device));
    assert_int_equal(info.max_in_bytes, (4 << 20) + (64 << 10));
    assert_int_equal(info.queue, 16);
    bench_close(&bench);
    opu_device_close(device);
}

static void a_serial_is_made_of_the_identity(void **state)
{
    (void)state;
    struct opu_device *const device = open_device("sim:seed=3");
    struct bench bench;
    bench_open(&bench, (struct opu_board_options){.device = device, .inline_work = true});
    const char *const serial = opu_board_serial(bench.board);
    assert_int_equal(strncmp(serial, "SIM-", 4), 0);
    assert_memory_equal(serial + 4, strrchr(opu_device_identity(device), ':') + 1, 8);
    assert_int_equal(strlen(serial), 12);
    assert_string_equal(bench_info(&bench).serial, serial);
    bench_close(&bench);
    bench_open(&bench, (struct opu_board_options){
                           .device = device, .inline_work = true, .serial = "LAB-7"});
    assert_string_equal(opu_board_serial(bench.board), "LAB-7");
    bench_close(&bench);
    opu_device_close(device);

    struct toy toy = {0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    bench_open(&bench, (struct opu_board_options){.optics = &optics, .inline_work = true});
    assert_int_equal(strncmp(opu_board_serial(bench.board), "TOY-", 4), 0);
    assert_int_equal(strlen(opu_board_serial(bench.board)), 12);
    bench_close(&bench);
}

static void boards_that_can_not_be_are_refused(void **state)
{
    (void)state;
    struct toy toy = {0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    struct opu_device *const device = open_device("exact:");
    struct opu_board *board = (struct opu_board *)&board;
    assert_refused(opu_board_create(&board, &(struct opu_board_options){.device = device}),
                   OPU_E_UNSUPPORTED, "device of floats");
    assert_null(board);
    assert_refused(opu_board_create(&board, &(struct opu_board_options){.queue = 1}), OPU_E_INVALID,
                   "a device or optics");
    assert_refused(
        opu_board_create(&board, &(struct opu_board_options){.optics = &optics, .rate_hz = -1.0}),
        OPU_E_INVALID, "rate is -1 Hz");
    assert_refused(opu_board_create(
                       &board, &(struct opu_board_options){.optics = &optics, .max_in_bytes = 100}),
                   OPU_E_INVALID, "packets of 4259840 and 100 bytes");
    toy.fails = "info";
    assert_refused(opu_board_create(&board, &(struct opu_board_options){.optics = &optics}),
                   OPU_E_DEVICE, "the toy fails as the test wanted");
    opu_board_destroy(NULL);
    opu_device_close(device);
}

static int make_job(struct opu_context *context, void *user)
{
    struct opu_board *board;
    struct opu_fault_plan const plan = {.seed = 1};
    int const status = opu_board_create(
        &board, &(struct opu_board_options){
                    .context = context, .device = user, .inline_work = true, .faults = &plan});
    opu_board_destroy(board);
    return status;
}

static void making_one_survives_lack_of_memory(void **state)
{
    (void)state;
    struct opu_device *const device = open_device("sim:");
    assert_survives_no_memory(make_job, device);
    opu_device_close(device);
}

static void pace_is_kept_over_all_packets_inline(void **state)
{
    (void)state;
    struct toy toy = {.temperature_c = 20.0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    struct bench bench;
    bench_open(&bench, (struct opu_board_options){
                           .optics = &optics, .inline_work = true, .rate_hz = 1000.0});
    struct opu_wire_setup const setup = toy_setup();
    bench_configure(&bench, &setup);
    struct opu_wire_header header = {.epoch = host_status(&bench.f).epoch,
                                     .setup = 5,
                                     .n_frames = 500}; /* two sequences of the projector */
    for (; header.sequence < 4; header.sequence++) {
        assert_true(host_send(&bench.f, header, 500 * header.sequence) > 0);
    }
    uint64_t const start_us = bench.now_us;
    for (uint32_t k = 0; k < 4; k++) {
        struct host_answer answer;
        while ((answer = host_receive(&bench.f)).moved < 0) {
            if (opu_board_step(bench.board)) {
                continue;
            }
            uint64_t const until = opu_board_held_until_us(bench.board);
            assert_true(until > bench.now_us);
            bench.now_us = until + 300; /* the host comes late, the clock does not wait */
        }
        assert_counts(&answer, k, 500, 500 * k);
        uint64_t const due_us = start_us + 500000 * (k + 1);
        assert_in_range(bench.now_us, due_us, due_us + 1000);
    }
    /* after a rest the clock starts anew */
    assert_int_equal(opu_board_held_until_us(bench.board), 0);
    (void)opu_board_step(bench.board);
    bench.now_us += 70000;
    header.n_frames = 10;
    assert_true(host_send(&bench.f, header, 0) > 0);
    (void)opu_board_step(bench.board);
    assert_in_range(opu_board_held_until_us(bench.board), bench.now_us + 10000,
                    bench.now_us + 10001);
    bench_close(&bench);
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void pace_is_kept_over_all_packets_by_the_thread(void **state)
{
    (void)state;
    struct frames *const frames = frames_make();
    struct opu_device *const device = open_device("sim:seed=3");
    frames_expose(frames, device);
    struct bench bench;
    bench_open(&bench, (struct opu_board_options){.device = device, .rate_hz = 10000.0});
    struct opu_wire_setup const setup = wire_setup();
    bench_configure(&bench, &setup);
    double const start = seconds();
    bench_show(&bench, frames, 50);
    /* never faster; how much slower is the machine's affair */
    assert_true(seconds() - start >= (double)N_FRAMES / 10000.0);
    bench_close(&bench);
    opu_device_close(device);
    free(frames);
}

static void a_board_is_closed_in_the_middle_of_its_work(void **state)
{
    (void)state;
    struct toy toy = {.temperature_c = 20.0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    for (unsigned k = 0; k < 20; k++) {
        struct bench bench;
        bench_open(&bench, (struct opu_board_options){.optics = &optics, .rate_hz = 1.0});
        struct opu_wire_setup const setup = toy_setup();
        bench_configure(&bench, &setup);
        struct opu_wire_header const header = {
            .epoch = host_status(&bench.f).epoch, .setup = 5, .n_frames = 100};
        double const start = seconds();
        assert_true(host_send(&bench.f, header, 0) > 0);
        bench_close(&bench); /* of a packet that takes 100 s */
        assert_true(seconds() - start < 20.0);
        assert_false(toy.laser);
    }
}

static void the_laser_of_a_slow_packet_goes_off_with_its_host(void **state)
{
    (void)state;
    struct toy toy = {.temperature_c = 20.0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    struct bench bench;
    bench_open(&bench, (struct opu_board_options){.optics = &optics, .rate_hz = 10.0});
    struct opu_wire_setup const setup = toy_setup();
    bench_configure(&bench, &setup);
    struct opu_wire_header const header = {
        .epoch = host_status(&bench.f).epoch, .setup = 5, .n_frames = 400};
    assert_true(host_send(&bench.f, header, 0) > 0); /* takes 40 s */
    double const start = seconds();
    struct opu_wire_statistics seen = {0};
    bool laser = true;
    while ((laser || seen.laser_s == 0.0) && seconds() - start < 20.0) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        opu_fw_peek(opu_board_fw(bench.board), &seen, &laser);
    }
    assert_false(laser);
    assert_true(seen.laser_s > 1.5 && seen.frames >= 10 && seen.frames < 200);
    bench_close(&bench);
}

static void faults_lie_between_port_and_firmware(void **state)
{
    (void)state;
    struct toy toy = {.temperature_c = 20.0};
    struct opu_optics const optics = toy_optics(&toy, 400);
    struct opu_fault_plan const plan = {.rate = {[OPU_FAULT_STALL] = 1.0}};
    struct bench bench;
    bench_open(&bench,
               (struct opu_board_options){.optics = &optics, .inline_work = true, .faults = &plan});
    assert_non_null(opu_board_fault(bench.board));
    struct opu_wire_setup const setup = toy_setup();
    bench_configure(&bench, &setup);
    struct opu_wire_header const header = {.setup = 5, .n_frames = 3};
    assert_int_equal(host_send(&bench.f, header, 0), OPU_FN_STALL);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_the_device_itself),
        cmocka_unit_test(a_projector_of_400_patterns_shows_the_same),
        cmocka_unit_test(facts_are_those_of_the_device),
        cmocka_unit_test(a_serial_is_made_of_the_identity),
        cmocka_unit_test(boards_that_can_not_be_are_refused),
        cmocka_unit_test(making_one_survives_lack_of_memory),
        cmocka_unit_test(pace_is_kept_over_all_packets_inline),
        cmocka_unit_test(pace_is_kept_over_all_packets_by_the_thread),
        cmocka_unit_test(a_board_is_closed_in_the_middle_of_its_work),
        cmocka_unit_test(the_laser_of_a_slow_packet_goes_off_with_its_host),
        cmocka_unit_test(faults_lie_between_port_and_firmware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
