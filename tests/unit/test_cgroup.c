/*
 * Finds pods in texts of /proc/PID/cgroup, as different versions of kubelet, container runtimes and
 * kernels write them.
 */
#include "peer/cgroup.h"

#include "support/check.h"

#define U      "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
#define U_     "0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9" /* as written in the name of a systemd unit */
#define OTHER  "11111111-2222-3333-4444-555555555555"
#define OTHER_ "11111111_2222_3333_4444_555555555555"
#define STATIC "0123456789abcdef0123456789abcdef"
#define ID     "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define SLICE  "/kubepods.slice"

struct form {
    const char *text;
    const char *pod; /* NULL: none */
    bool contradicts;
    bool is_unified;
};

static const struct form forms[] = {
    /* v2, kubelet's cgroup driver cgroupfs */
    {"0::/kubepods/burstable/pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/kubepods/besteffort/pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/kubepods/pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/kubepods/guaranteed/pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/kubepods/burstable/pod" U "\n", U, .is_unified = true},
    {"0::/kubepods/burstable/pod" U "/" ID, U, .is_unified = true},
    /* with --cgroup-root, on a node that is itself a container */
    {"0::/kubelet/kubepods/burstable/pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/docker/" ID "/kubelet/kubepods/besteffort/pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/system.slice/docker-" ID ".scope/kubelet/kubepods/pod" U "/" ID "\n", U,
     .is_unified = true},
    {"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
     "kubelet-kubepods-burstable-pod" U_ ".slice/cri-containerd-" ID ".scope\n",
     U, .is_unified = true},
    /* v2, cgroup driver systemd: containerd, CRI-O, dockershim */
    {"0::" SLICE "/kubepods-burstable.slice/kubepods-burstable-pod" U_ ".slice/cri-containerd-" ID
     ".scope\n",
     U, .is_unified = true},
    {"0::" SLICE "/kubepods-besteffort.slice/kubepods-besteffort-pod" U_ ".slice/crio-" ID
     ".scope\n",
     U, .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slice/crio-" ID ".scope\n", U, .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slice/docker-" ID ".scope\n", U, .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slice/crio-" ID ".scope/container\n", U, .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slice/crio-conmon-" ID ".scope\n", U, .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slice/cri-containerd-" ID ".scope/init.scope\n", U,
     .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slice/cri-containerd-" ID ".scope/system.slice/a.service\n",
     U, .is_unified = true},
    /* containerd without SystemdCgroup, kubelet with the driver systemd */
    {"0::/system.slice/containerd.service/kubepods-burstable-pod" U_ ".slice:cri-containerd:" ID
     "\n",
     U, .is_unified = true},
    {"0::/kubepods-besteffort-pod" U_ ".slice:cri-containerd:" ID "\n", U, .is_unified = true},
    /* a static pod */
    {"0::/kubepods/burstable/pod" STATIC "/" ID "\n", STATIC, .is_unified = true},
    {"0::" SLICE "/kubepods-burstable-pod" STATIC ".slice/cri-containerd-" ID ".scope\n", STATIC,
     .is_unified = true},
    /* read by a daemon in a private cgroup namespace */
    {"0::/../../../besteffort/pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/../../pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/../../../pod" U "/" ID "\n", U, .is_unified = true},
    {"0::/../../kubepods-besteffort-pod" U_ ".slice/cri-containerd-" ID ".scope\n", U,
     .is_unified = true},
    {"0::/../../../kubepods-burstable.slice/kubepods-burstable-pod" U_ ".slice/crio-" ID ".scope\n",
     U, .is_unified = true},
    {"0::/../../../../kubepods/burstable/pod" U "/" ID "\n", U, .is_unified = true},
    /* v1 */
    {"11:cpuset:/kubepods/burstable/pod" U "/" ID "\n10:memory:/kubepods/burstable/pod" U "/" ID
     "\n1:name=systemd:/kubepods/burstable/pod" U "/" ID "\n",
     U},
    {"12:hugetlb:" SLICE "/kubepods-burstable.slice/kubepods-burstable-pod" U_ ".slice/docker-" ID
     ".scope\n4:cpu,cpuacct:" SLICE "/kubepods-burstable.slice/kubepods-burstable-pod" U_
     ".slice/docker-" ID ".scope\n",
     U},
    /* hybrid: the unified hierarchy and some others do not name the pod */
    {"9:name=systemd:/kubepods/burstable/pod" U "/" ID "\n4:memory:/kubepods/burstable/pod" U "/" ID
     "\n1:cpu:/\n0::/\n",
     U},
    {"9:name=systemd:/\n4:memory:/kubepods/pod" U "/" ID "\n0::/system.slice/containerd.service\n",
     U},
    {"4:memory:/\n0::/kubepods/pod" U "/" ID "\n", U},
    {"1:name=a=b,c:/kubepods/pod" U "/" ID "\n", U},
    /* the kernel marks a removed cgroup like this */
    {"0::/kubepods/burstable/pod" U "/" ID " (deleted)\n", U, .is_unified = true},
    {"0::/kubepods/burstable/pod" U " (deleted)\n", NULL, .is_unified = true},
    /* no pod */
    {"0::/\n", NULL, .is_unified = true},
    {"0::/init.scope\n", NULL, .is_unified = true},
    {"0::/system.slice/podlogind.service\n", NULL, .is_unified = true},
    {"0::/../../../../system.slice/sshd.service\n", NULL, .is_unified = true},
    {"0::/user.slice/user-1000.slice/session-3.scope\n", NULL, .is_unified = true},
    {"0::/docker/" ID "\n", NULL, .is_unified = true},
    {"0::/../" ID "\n", NULL, .is_unified = true},
    {"0::/kubepods/burstable\n", NULL, .is_unified = true},
    {"0::/system.slice/kubelet.service\n", NULL, .is_unified = true},
    {"9:name=systemd:/\n8:pids:/\n0::/\n", NULL},
    {"", NULL},
    /* similar to a pod's name */
    {"0::/kubepods/burstable/pod" U "x/" ID "\n", NULL, .is_unified = true},
    {"0::/kubepods/burstable/pod0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8F9/" ID "\n", NULL,
     .is_unified = true},
    {"0::/kubepods/burstable/pod" U_ "/" ID "\n", NULL, .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U ".slice/crio-" ID ".scope\n", NULL, .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slicer/crio-" ID ".scope\n", NULL, .is_unified = true},
    {"0::" SLICE "/mykubepods-pod" U_ ".slice/crio-" ID ".scope\n", NULL, .is_unified = true},
    {"0::/Kubepods/pod" U "/" ID "\n", NULL, .is_unified = true},
    {"kubepods/pod" U "\n", NULL},
    {"0:kubepods/pod" U "\n", NULL},
    /* created by a user or a pod that may create cgroups below its own */
    {"0::/user.slice/user-1000.slice/user@1000.service/kubepods/pod" U "/" ID "\n", NULL,
     .is_unified = true},
    {"0::/user.slice/user-1000.slice/user@1000.service/kubepods-pod" U_ ".slice\n", NULL,
     .is_unified = true},
    {"0::/../../../user.slice/user-0.slice/kubepods/pod" U "/" ID "\n", NULL, .is_unified = true},
    {"0::/system.slice/app.service/pod" U "/" ID "\n", NULL, .is_unified = true},
    {"0::/system.slice/app.service/burstable/pod" U "/" ID "\n", NULL, .is_unified = true},
    {"0::/kubepods/app/pod" U "/" ID "\n", NULL, .is_unified = true},
    {"0::/kubepods/burstable/pod" U "/" ID "/kubepods/burstable/pod" OTHER "/" ID "\n", NULL,
     .contradicts = true, .is_unified = true},
    {"0::/kubepods/burstable/pod" U "/" ID "/pod" OTHER "\n", NULL, .contradicts = true,
     .is_unified = true},
    {"0::/kubepods/burstable/pod" U "/" ID "/pod" U "\n", NULL, .contradicts = true,
     .is_unified = true},
    {"0::" SLICE "/kubepods-pod" U_ ".slice/crio-" ID ".scope/kubepods-pod" OTHER_ ".slice\n", NULL,
     .contradicts = true, .is_unified = true},
    {"0::/kubepods/pod" U "/" ID "/user.slice/pod" OTHER "\n", NULL, .contradicts = true,
     .is_unified = true},
    {"4:memory:/kubepods/pod" U "/" ID "\n3:cpu:/kubepods/pod" OTHER "/" ID "\n", NULL,
     .contradicts = true},
    {"4:memory:/kubepods/pod" U "/" ID "\n0::/kubepods/pod" OTHER "/" ID "\n", NULL,
     .contradicts = true},
    {"4:memory:/kubepods/pod" U "/" ID "\n3:cpu:/kubepods/pod" U "/" ID "\n2:cpuset:/\n"
     "1:pids:/kubepods/pod" U "/" ID "\n0::/kubepods/pod" OTHER "/" ID "\n",
     NULL, .contradicts = true},
};

static void each_form_of_path_names_its_pod(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        const struct form *form = &forms[i];
        CLEANUP(freep)
        char *exact = copy_of(form->text, strlen(form->text));
        char uid[POD_UID_SIZE] = "";
        bool is_unified;
        enum cgroup_verdict verdict = cgroup_read(exact, strlen(form->text), uid, &is_unified);
        enum cgroup_verdict expected = form->contradicts ? CGROUP_CONTRADICTION
                                       : form->pod       ? CGROUP_POD
                                                         : CGROUP_NO_POD;

        if (verdict != expected)
            fail_msg("verdict %d instead of %d: %s", verdict, expected, form->text);
        if (form->pod && strcmp(uid, form->pod) != 0)
            fail_msg("pod %s instead of %s: %s", uid, form->pod, form->text);
        if (is_unified != form->is_unified && !form->contradicts)
            fail_msg("is_unified is wrong: %s", form->text);
    }
}

/* A truncated text names the same pod or none, never another, and is not read past its end. */
static void a_truncated_text_never_names_another_pod(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        for (size_t len = 0; len < strlen(forms[i].text); len++) {
            CLEANUP(freep)
            char *cut = copy_of(forms[i].text, len);
            char uid[POD_UID_SIZE] = "";
            bool is_unified;

            if (cgroup_read(cut, len, uid, &is_unified) == CGROUP_POD && strcmp(uid, U) != 0 &&
                strcmp(uid, STATIC) != 0)
                fail_msg("pod %s of %.*s", uid, (int)len, forms[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_path_names_its_pod),
        cmocka_unit_test(a_truncated_text_never_names_another_pod),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
