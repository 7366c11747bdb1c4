using System.Diagnostics;

namespace RbdReplication.Tests.Deploy;

/// <summary>
/// What helm itself makes of the chart. Run by <c>make test</c> and <c>make test-chart</c>, which find or fetch helm and name it in
/// <c>RBD_REPLICATION_HELM</c>, and counted as skipped by the first where they cannot; the other tests read the templates with <see cref="Manifests.Render(ValueTuple{string, string}[])"/>,
/// and the first test here shows that both read them alike.
/// </summary>
public sealed class HelmTests
{
    [Theory(Explicit = true)]
    [InlineData]
    [InlineData("networkPolicy=false", "serviceMonitor=true")]
    [InlineData("config.rook=true", "driverName=rook-ceph.rbd.csi.ceph.com")]
    [InlineData("cephCsiOperator.enabled=true", "cephCsiOperator.leaseNamespace=parked", "driverServer.enabled=true", "driverServer.image=registry.example/cephcsi:v3.17.0")]
    [InlineData("driverServer.enabled=true")]
    [InlineData("omapGenerator.clusterName=east", "omapGenerator.setMetadata=true", "omapGenerator.workers=8", "replicas=1")]
    [InlineData("image.repository=registry.example/rbd-replication", "image.tag=1.2.3", "logLevel=debug", "operationTimeout=1m30s")]
    [InlineData("volumeGroups=true")]
    public void Helm_renders_what_the_other_tests_render(params string[] settings)
    {
        var pairs = settings.Select(setting => setting.Split('=')).Select(parts => (parts[0], parts[1])).ToArray();
        Assert.Equal(
            Manifests.Render(pairs).Select(Manifests.Canonical).Order(StringComparer.Ordinal),
            Manifests.Parse(Template(settings)).Select(Manifests.Canonical).Order(StringComparer.Ordinal));
    }

    [Theory(Explicit = true)]
    [InlineData("replicas=0")]
    [InlineData("logLevel=loud")]
    [InlineData("operationTimeout=soon")]
    [InlineData("driverName=Not_A_Driver")]
    [InlineData("image.tag=")]
    [InlineData("netWorkPolicy=true")]
    [InlineData("cephCsiOperator.leaseNamespace=Not_A_Namespace")]
    [InlineData("driverServer.image=")]
    [InlineData("volumeGroups=perhaps")]
    [InlineData("config.rook=true,cephCsiOperator.enabled=true")]
    public void Helm_refuses_values_that_the_schema_does_not_allow(string setting)
    {
        var (code, _, error) = Helm("template", "release", Manifests.Chart, "--set", setting);
        Assert.NotEqual(0, code);
        Assert.Contains("values don't meet the specifications of the schema", error, StringComparison.Ordinal);
    }

    [Fact(Explicit = true)]
    public void Helm_finds_no_fault_and_prints_the_notes()
    {
        var (code, output, error) = Helm("lint", "--strict", Manifests.Chart);
        Assert.True(code == 0, output + error);
        (code, output, error) = Helm("install", "release", Manifests.Chart, "-n", "ceph-csi", "--dry-run=client");
        Assert.True(code == 0, error);
        Assert.Contains("rbd-replication serves driver rbd.csi.ceph.com in namespace ceph-csi.", output, StringComparison.Ordinal);
        Assert.Contains("Run no other CSI-Addons sidecar for rbd.csi.ceph.com in this namespace", output, StringComparison.Ordinal);
    }

    [Fact(Explicit = true)]
    public void The_notes_patch_the_drivers_object_as_the_patch_file_does()
    {
        var (code, output, error) = Helm("install", "release", Manifests.Chart, "-n", "rook-ceph", "--dry-run=client", "--set", "cephCsiOperator.enabled=true,driverName=rook-ceph.rbd.csi.ceph.com");
        Assert.True(code == 0, error);
        Assert.Contains("get lease rook-ceph-rbd-csi-ceph-com-csi-addons ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("Run no other CSI-Addons sidecar", output, StringComparison.Ordinal);
        Assert.Contains("Without driverServer.enabled", output, StringComparison.Ordinal);
        var command = Assert.Single(output.Split('\n'), line => line.Contains("patch driver.csi.ceph.io", StringComparison.Ordinal));
        Assert.StartsWith("  kubectl -n rook-ceph patch driver.csi.ceph.io rook-ceph.rbd.csi.ceph.com --type merge -p '", command, StringComparison.Ordinal);
        Assert.Equal(
            Manifests.Canonical(Manifests.Read("kustomize", "driver-lease", "driver-patch.yaml").Single()),
            Manifests.Canonical(Manifests.Parse(command.Split('\'')[1]).Single()));
    }

    private static string Template(string[] settings)
    {
        var (code, output, error) = Helm(["template", "release", Manifests.Chart, "-n", "ceph-csi", .. settings.SelectMany(setting => (string[])["--set", setting])]);
        Assert.True(code == 0, error);
        return output;
    }

    private static (int Code, string Output, string Error) Helm(params string[] arguments)
    {
        var helm = Environment.GetEnvironmentVariable("RBD_REPLICATION_HELM");
        Assert.False(string.IsNullOrEmpty(helm), "run `make test-chart`, which sets RBD_REPLICATION_HELM");
        var info = new ProcessStartInfo(helm, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        // Not the settings of who runs the tests.
        foreach (var name in (string[])["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"])
            info.Environment[name] = Path.Combine(Manifests.Repository, "artifacts", "tools", "home");
        using var process = Process.Start(info)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
