using YamlDotNet.RepresentationModel;

namespace RbdReplication.Tests.Deploy;

/// <summary>
/// The overlays beside ceph-csi-operator, with Rook and without: our Deployment, the driver's server in it, and the driver's own sidecar
/// out of the way.
/// </summary>
public sealed class OperatorOverlayTests
{
    /// <summary>Where the driver's own sidecar is sent for its Lease.</summary>
    internal const string LeaseNamespace = "rbd-replication-driver-lease";

    // A Driver object as Rook or the chart ceph-csi-drivers leaves it.
    private const string Driver = """
        apiVersion: csi.ceph.io/v1
        kind: Driver
        metadata: {name: rook-ceph.rbd.csi.ceph.com, namespace: rook-ceph}
        spec:
          deployCsiAddons: true
          generateOMapInfo: true
          controllerPlugin: {replicas: 2}
        """;

    [Theory]
    [InlineData("ceph-csi-operator", "rbd.csi.ceph.com")]
    [InlineData("rook-ceph-csi-operator", "rook-ceph.rbd.csi.ceph.com")]
    public void The_deployment_is_complete_and_all_its_containers_have_the_drivers_name(string overlay, string driver)
    {
        var objects = Manifests.Build(overlay);
        var deployment = Assert.Single(objects, o => o.Kind() == "Deployment");
        DeployTests.CheckPod(deployment);
        DeployTests.CheckReplicas(deployment);
        DeployTests.CheckLabelsAndPorts(objects, Manifests.Read("monitoring", "service-monitor.yaml").Single());
        var containers = Containers(deployment);
        Assert.Equal(driver, Flag(containers["rbd-replication"], "--driver-name"));
        Assert.Equal(driver, Flag(containers["rbd-replication-omap-generator"], "--driver-name"));
        Assert.Equal("$(DRIVER_NAME)", Flag(containers["csi-addons-driver"], "--drivername"));
        Assert.Equal(driver, Variable(containers["csi-addons-driver"], "DRIVER_NAME"));
        // The configuration that ceph-csi-operator writes.
        Assert.Contains(deployment.Items("spec", "template", "spec", "volumes"), volume => volume.Text("configMap", "name") == "ceph-csi-config");
    }

    [Theory]
    [InlineData("ceph-csi-operator")]
    [InlineData("rook-ceph-csi-operator")]
    public void The_server_forwards_to_the_drivers_own_beside_it_and_may_connect(string overlay)
    {
        var deployment = Manifests.Build(overlay).Single(o => o.Kind() == "Deployment");
        var containers = Containers(deployment);
        var (server, driver) = (containers["rbd-replication"], containers["csi-addons-driver"]);
        Assert.Equal(Flag(driver, "--csi-addons-endpoint"), Variable(server, "RBD_REPLICATION_FORWARD_ENDPOINT"));
        Assert.Equal(("rbd", "true"), (Flag(driver, "--type"), Flag(driver, "--controllerserver")));
        DeployTests.CheckSecurity(driver);
        Assert.Equal(server.Text("securityContext", "runAsUser"), driver.Text("securityContext", "runAsUser"));

        var mounts = driver.Items("volumeMounts").ToDictionary(mount => mount.Text("mountPath"));
        var shared = server.Items("volumeMounts").Single(mount => mount.Text("mountPath") == "/csi");
        Assert.Equal(shared.Text("name"), mounts["/csi"].Text("name"));
        var volumes = deployment.Items("spec", "template", "spec", "volumes").ToDictionary(volume => volume.Text("name"));
        foreach (var path in (string[])["/csi", "/etc/ceph", "/tmp/csi/keys"])
            Assert.Equal("Memory", volumes[mounts[path].Text("name")].Text("emptyDir", "medium"));
        Assert.Equal("true", mounts["/etc/ceph-csi-config"].Text("readOnly"));

        // All its sockets are different ones, and the sidecar has ours.
        var ours = Variable(server, "RBD_REPLICATION_CSI_ADDONS_ENDPOINT");
        Assert.Equal(3, new HashSet<string> { ours, Flag(driver, "--endpoint"), Flag(driver, "--csi-addons-endpoint") }.Count);
        Assert.Equal(ours, "unix://" + Flag(containers["csi-addons"], "--csi-addons-address"));
    }

    [Theory]
    [InlineData("ceph-csi-operator", "ceph-csi-operator-system")]
    [InlineData("rook-ceph-csi-operator", "rook-ceph")]
    public void The_drivers_sidecar_leaves_the_lease_in_its_namespace_to_ours_and_may_have_one_elsewhere(string overlay, string @namespace)
    {
        var objects = Manifests.Build(overlay);
        Assert.Equal(LeaseNamespace, objects.Single(o => o.Kind() == "Namespace").Name());
        var there = objects.Where(o => o.Text("metadata", "namespace") == LeaseNamespace).ToDictionary(o => o.Kind());
        Assert.Equal(["Role", "RoleBinding"], there.Keys.Order(StringComparer.Ordinal));
        var rule = Assert.Single(there["Role"].Items("rules"));
        Assert.Equal("leases", rule.Items("resources").Single().ToString());
        Assert.Equal(["create", "get", "update"], rule.Items("verbs").Select(verb => verb.ToString()).Order(StringComparer.Ordinal));
        Assert.Equal(there["Role"].Name(), there["RoleBinding"].Text("roleRef", "name"));
        var subject = Assert.Single(there["RoleBinding"].Items("subjects"));
        Assert.Equal(("Group", $"system:serviceaccounts:{@namespace}"), (subject.Text("kind"), subject.Text("name")));

        var sidecar = Containers(objects.Single(o => o.Kind() == "Deployment"))["csi-addons"];
        Assert.Equal("$(POD_NAMESPACE)", Flag(sidecar, "--leader-election-namespace"));
        var driver = PatchedDriver();
        Assert.Equal("false", driver.Text("spec", "generateOMapInfo"));
        Assert.Equal(("true", "2"), (driver.Text("spec", "deployCsiAddons"), driver.Text("spec", "controllerPlugin", "replicas")));
        var extra = driver.At("spec", "controllerPlugin", "containerExtraArgs").Items("csi-addons");
        Assert.Equal($"--leader-election-namespace={LeaseNamespace}", Assert.Single(extra).ToString());
    }

    [Fact]
    public void The_chart_makes_the_same_objects_as_the_overlay_for_rook()
    {
        var chart = Manifests.Render(
            ("cephCsiOperator.enabled", "true"), ("driverServer.enabled", "true"),
            ("driverName", "rook-ceph.rbd.csi.ceph.com"), ("Release.Namespace", "rook-ceph"));
        var overlay = Manifests.Build("rook-ceph-csi-operator");
        var flags = DeployTests.TakeFlags(chart);
        Assert.All(DeployTests.TakeFlags(overlay), flag => Assert.Contains(flag, flags));
        Assert.Equal(DeployTests.Comparable(overlay), DeployTests.Comparable(chart));
    }

    private static Dictionary<string, YamlNode> Containers(YamlNode deployment) =>
        deployment.Items("spec", "template", "spec", "containers").ToDictionary(container => container.Text("name"));

    private static string Flag(YamlNode container, string name)
    {
        var arguments = container.Items("args").Select(argument => argument.ToString());
        return Assert.Single(arguments, argument => argument.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..];
    }

    private static string Variable(YamlNode container, string name) =>
        container.Items("env").Single(variable => variable.Text("name") == name).Text("value");

    private static YamlMappingNode PatchedDriver()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, Driver);
            var patch = Path.Combine(Manifests.Folder, "kustomize", "driver-lease", "driver-patch.yaml");
            return Manifests.Parse(Manifests.Kubectl("patch", "--local", "-f", file, "--type", "merge", "--patch-file", patch, "-o", "yaml")).Single();
        }
        finally
        {
            File.Delete(file);
        }
    }
}
