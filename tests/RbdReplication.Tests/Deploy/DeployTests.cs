using System.Text;
using System.Text.RegularExpressions;
using RbdReplication.Core;
using RbdReplication.Csi.Cli;
using RbdReplication.Csi.Hosting;
using RbdReplication.Kubernetes.Manifests;
using RbdReplication.PersistentVolumes;
using YamlDotNet.RepresentationModel;

namespace RbdReplication.Tests.Deploy;

public sealed partial class DeployTests
{
    private const string Image = "rbd-replication:0.1.0";

    // The parts of ceph-csi's and Rook's Deployment that the patches touch.
    private const string Provisioner = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: csi-rbdplugin-provisioner, namespace: ceph-csi}
        spec:
          selector: {matchLabels: {app: csi-rbdplugin-provisioner}}
          template:
            metadata: {labels: {app: csi-rbdplugin-provisioner}}
            spec:
              serviceAccountName: rbd-csi-provisioner
              containers:
                - {name: csi-rbdplugin, image: cephcsi}
                - {name: csi-rbdplugin-controller, image: cephcsi}
                - {name: csi-omap-generator, image: cephcsi}
                - {name: csi-addons, image: sidecar, args: [--csi-addons-address=/csi/csi-addons.sock]}
              volumes:
                - {name: socket-dir, emptyDir: {medium: Memory}}
                - {name: ceph-csi-config, configMap: {name: ceph-csi-config}}
        """;

    [Fact]
    public void Every_manifest_parses_and_names_its_kind()
    {
        var files = Directory.EnumerateFiles(Manifests.Folder, "*.yaml", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/helm/", StringComparison.Ordinal) && !file.EndsWith("-patch.yaml", StringComparison.Ordinal)).ToList();
        Assert.True(files.Count > 20);
        foreach (var file in files)
        {
            foreach (var document in Manifests.Parse(File.ReadAllText(file)))
            {
                Assert.True(document.Text("apiVersion").Length > 0 && document.Kind().Length > 0, file);
                Assert.True(document.Name().Length > 0 || document.Kind() is "Kustomization" or "Component", file);
            }
        }
    }

    [Theory]
    [InlineData("ceph-csi", "ceph-csi", "rbd-csi-provisioner")]
    [InlineData("rook", "rook-ceph", "rook-csi-rbd-provisioner-sa")]
    [InlineData("standalone", "ceph-csi", "rbd-replication")]
    [InlineData("ceph-csi-operator", "ceph-csi-operator-system", "rbd-replication")]
    [InlineData("rook-ceph-csi-operator", "rook-ceph", "rbd-replication")]
    public void Each_overlay_builds_and_binds_its_roles_to_the_account_that_runs_the_containers(string overlay, string @namespace, string account)
    {
        var objects = Manifests.Build(overlay).Where(o => o.Text("metadata", "namespace") != OperatorOverlayTests.LeaseNamespace).ToList();
        var bindings = objects.Where(o => o.Kind().EndsWith("RoleBinding", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(bindings);
        foreach (var binding in bindings)
        {
            var subject = Assert.Single(binding.Items("subjects"));
            Assert.Equal((account, @namespace), (subject.Text("name"), subject.Text("namespace")));
            Assert.Contains(objects, o => o.Kind() == binding.Text("roleRef", "kind") && o.Name() == binding.Text("roleRef", "name"));
        }
        Assert.All(objects.Where(o => o.Text("metadata", "namespace").Length > 0), o => Assert.Equal(@namespace, o.Text("metadata", "namespace")));
        if (objects.FirstOrDefault(o => o.Kind() == "Deployment") is { } deployment)
            Assert.Equal(account, deployment.Text("spec", "template", "spec", "serviceAccountName"));
    }

    [Theory]
    [InlineData("ceph-csi", "csi-rbdplugin-controller")]
    [InlineData("rook", "csi-omap-generator")]
    public void The_patch_replaces_the_old_generator_and_points_the_sidecar_at_our_socket(string overlay, string old)
    {
        var deployment = Patched(overlay);
        var containers = deployment.Items("spec", "template", "spec", "containers").ToDictionary(c => c.Text("name"));
        Assert.DoesNotContain(old, containers.Keys);
        Assert.Contains("csi-rbdplugin", containers.Keys);
        var socket = containers["rbd-replication"].Items("env").Single().Text("value");
        Assert.Contains($"--csi-addons-address={socket["unix://".Length..]}", containers["csi-addons"].Items("args").Select(a => a.ToString()));
        CheckPod(deployment);
    }

    [Fact]
    public void The_stand_alone_deployment_is_complete_and_its_labels_and_ports_agree()
    {
        var objects = Manifests.Build("standalone");
        var deployment = Assert.Single(objects, o => o.Kind() == "Deployment");
        CheckPod(deployment);
        CheckReplicas(deployment);
        CheckLabelsAndPorts(objects, Manifests.Read("monitoring", "service-monitor.yaml").Single());
    }

    [Fact]
    public void The_chart_makes_the_same_objects_as_the_stand_alone_overlay()
    {
        var (chart, overlay) = (Manifests.Render(), Manifests.Build("standalone"));
        CheckPod(chart.Single(o => o.Kind() == "Deployment"));
        var flags = TakeFlags(chart);
        Assert.All(TakeFlags(overlay), flag => Assert.Contains(flag, flags));
        Assert.Equal(Comparable(overlay), Comparable(chart));
    }

    [Fact]
    public void The_charts_switches_add_and_remove_what_they_say()
    {
        Assert.DoesNotContain(Manifests.Render(("networkPolicy", "false")), o => o.Kind() == "NetworkPolicy");
        var monitored = Manifests.Render(("serviceMonitor", "true"));
        CheckLabelsAndPorts(monitored, monitored.Single(o => o.Kind() == "ServiceMonitor"));
        CheckPod(Manifests.Render(("omapGenerator.clusterName", "east")).Single(o => o.Kind() == "Deployment"));
        var rook = Manifests.Render(("config.rook", "true"), ("driverName", "rook-ceph.rbd.csi.ceph.com")).Single(o => o.Kind() == "Deployment");
        CheckPod(rook);
        Assert.Contains("rook-ceph-csi-mapping-config", rook.ToString(), StringComparison.Ordinal);
        Assert.Contains("--driver-name=rook-ceph.rbd.csi.ceph.com", rook.ToString(), StringComparison.Ordinal);
        var groups = Manifests.Render(("volumeGroups", "true")).Single(o => o.Kind() == "Deployment");
        CheckPod(groups);
        Assert.Contains("--volume-groups=true", groups.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("standalone")]
    [InlineData("rook-ceph-csi-operator/deployment")]
    public void The_component_for_volume_groups_is_added_to_the_deployments_that_are_ours(string overlay)
    {
        var folder = Directory.CreateTempSubdirectory("rbd-replication-").FullName;
        try
        {
            string At(string name) => Path.GetRelativePath(folder, Path.Combine(Manifests.Folder, "kustomize", name));
            File.WriteAllText(Path.Combine(folder, "kustomization.yaml"), $"""
                apiVersion: kustomize.config.k8s.io/v1beta1
                kind: Kustomization
                resources: ["{At(overlay)}"]
                components: ["{At("volume-groups")}"]
                """);
            var deployment = Manifests.Parse(Manifests.Kubectl("kustomize", folder)).Single(o => o.Kind() == "Deployment");
            CheckPod(deployment);
            var server = deployment.Items("spec", "template", "spec", "containers").Single(container => container.Text("name") == "rbd-replication");
            Assert.Equal("true", server.Items("env").Single(variable => variable.Text("name") == "RBD_REPLICATION_VOLUME_GROUPS").Text("value"));
            Assert.Contains(server.Items("env"), variable => variable.Text("name") == "RBD_REPLICATION_CSI_ADDONS_ENDPOINT");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_chart_uses_every_value_and_its_schema_knows_them_all()
    {
        var templates = string.Concat(Directory.EnumerateFiles(Path.Combine(Manifests.Chart, "templates")).Select(File.ReadAllText));
        using var schema = System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(Manifests.Chart, "values.schema.json")));
        foreach (var (key, _) in Manifests.Values())
        {
            Assert.Contains($".Values.{key} ", templates, StringComparison.Ordinal);
            var node = schema.RootElement;
            foreach (var part in key.Split('.'))
                Assert.True(node.GetProperty("properties").TryGetProperty(part, out node), $"values.schema.json lacks {key}");
        }
    }

    [Fact]
    public void Alerts_and_dashboard_use_only_metrics_that_the_program_exposes()
    {
        var exposed = ExposedMetrics();
        var rules = Manifests.Read("monitoring", "prometheus-rule.yaml").Single().Items("spec", "groups").SelectMany(group => group.Items("rules")).Select(rule => rule.Text("expr"));
        using var dashboard = System.Text.Json.JsonDocument.Parse(File.ReadAllText(Path.Combine(Manifests.Folder, "monitoring", "grafana-dashboard.json")));
        var panels = dashboard.RootElement.GetProperty("panels").EnumerateArray()
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray()).Select(target => target.GetProperty("expr").GetString()!);
        var used = rules.Concat(panels).SelectMany(expression => MetricName().Matches(expression).Select(match => match.Value)).ToHashSet();
        Assert.True(used.Count > 8);
        Assert.Empty(used.Except(exposed));
    }

    [Fact]
    public void Status_codes_in_alerts_are_spelled_as_the_metric_spells_them()
    {
        var codes = Enum.GetNames<Grpc.Core.StatusCode>();
        var text = File.ReadAllText(Path.Combine(Manifests.Folder, "monitoring", "prometheus-rule.yaml"));
        var used = CodeMatcher().Matches(text).SelectMany(match => match.Groups[1].Value.Split('|')).ToList();
        Assert.NotEmpty(used);
        Assert.All(used, code => Assert.Contains(code, codes));
    }

    [Fact]
    public void The_examples_fit_together_and_our_parsers_take_them()
    {
        var examples = Directory.EnumerateFiles(Path.Combine(Manifests.Folder, "examples"), "*.yaml").SelectMany(file => Manifests.Parse(File.ReadAllText(file))).ToList();
        YamlMappingNode Only(string kind) => Assert.Single(examples, o => o.Kind() == kind);

        var replicationClass = Only("VolumeReplicationClass");
        var parameters = replicationClass.Map("spec", "parameters").Where(pair => !pair.Key.Contains('/', StringComparison.Ordinal)).ToDictionary(pair => pair.Key, pair => pair.Value);
        Assert.Empty(ReplicationParameters.Parse(parameters).UnknownKeys);
        Assert.Equal(DefaultOf("serve", "--driver-name"), replicationClass.Text("spec", "provisioner"));

        var claims = examples.Where(o => o.Kind() == "PersistentVolumeClaim").ToList();
        Assert.All(claims, o => Assert.Equal(Only("StorageClass").Name(), o.Text("spec", "storageClassName")));
        var claim = Assert.Single(claims, o => o.At("metadata", "labels") is null);
        var replications = examples.Where(o => o.Kind() == "VolumeReplication").ToList();
        Assert.Equal(["primary", "resync", "secondary"], replications.Select(o => o.Text("spec", "replicationState")).Order(StringComparer.Ordinal));
        Assert.All(replications, o => Assert.Equal(
            (replicationClass.Name(), claim.Name(), claim.Text("metadata", "namespace")),
            (o.Text("spec", "volumeReplicationClass"), o.Text("spec", "dataSource", "name"), o.Text("metadata", "namespace"))));

        var groupClass = Only("VolumeGroupReplicationClass");
        var groupParameters = groupClass.Map("spec", "parameters").Where(pair => !pair.Key.Contains('/', StringComparison.Ordinal)).ToDictionary(pair => pair.Key, pair => pair.Value);
        Assert.Empty(ReplicationParameters.Parse(groupParameters).UnknownKeys.Except(GroupParameters.KnownKeys));
        var group = GroupParameters.Parse(groupParameters);
        Assert.Equal((Only("StorageClass").Map("parameters")["clusterID"], Only("StorageClass").Map("parameters")["pool"]), (group.ClusterId, group.Pool));
        var groupReplication = Only("VolumeGroupReplication");
        Assert.Equal(
            (groupClass.Name(), replicationClass.Name()), (groupReplication.Text("spec", "volumeGroupReplicationClassName"), groupReplication.Text("spec", "volumeReplicationClassName")));
        Assert.Equal(parameters["schedulingInterval"], groupParameters["schedulingInterval"]);
        Assert.Equal(GroupState.DefaultHold, ReplicationParameters.Parse(parameters).MaximumHold);
        var label = Assert.Single(groupReplication.Map("spec", "source", "selector", "matchLabels"));
        var members = claims.Where(o => o != claim).ToList();
        Assert.All(members, o => Assert.Equal(
            (groupReplication.Text("metadata", "namespace"), label.Value), (o.Text("metadata", "namespace"), o.Map("metadata", "labels")[label.Key])));
        Assert.Contains("exclusive-lock", Only("StorageClass").Map("parameters")["imageFeatures"].Split(','));
        var contents = ManifestReader.Read(Path.Combine(Manifests.Folder, "examples", "volume-group-replication-content.yaml")).Groups.Single();
        var request = GroupRequest.From(contents, out _)!;
        Assert.Equal(members.Count, request.Reservation.Members.Count);
        Assert.Equal((groupClass.Name(), group.Pool, group.ClusterId, false), (contents.ClassName, request.Pool, request.Handle.ClusterId, GroupRequest.IsExempt(contents, groupClass.Text("spec", "provisioner"))));

        var files = Only("ConfigMap").Map("data");
        var cluster = ClusterConfig.Parse(Encoding.UTF8.GetBytes(files["config.json"])).Find("site-a")!;
        var mapping = ClusterMapping.Parse(Encoding.UTF8.GetBytes(files["cluster-mapping.json"]));
        Assert.Equal(Only("StorageClass").Map("parameters")["clusterID"], cluster.ClusterId);
        Assert.Equal([(cluster.ReplicationDestination!.RemoteClusterId, 3L)], mapping.LocationsFor("site-a", 2));
        Assert.Equal("3", cluster.ReplicationDestination.PoolIdTextOf(Only("CephBlockPool").Name()));
        Assert.Contains(Only("Secret").Name(), Only("CephBlockPool").ToString(), StringComparison.Ordinal);
    }

    private static YamlMappingNode Patched(string overlay)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, Provisioner);
            return Manifests.Parse(Manifests.Kubectl(
                "patch", "--local", "-f", file, "--patch-file", Path.Combine(Manifests.Folder, "kustomize", overlay, "provisioner-patch.yaml"), "-o", "yaml")).Single();
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>Containers of ours: their arguments are taken by the program, they are locked down, and what they refer to is there.</summary>
    internal static void CheckPod(YamlNode deployment)
    {
        var pod = deployment.At("spec", "template", "spec");
        // What is left of it is for closing.
        var patience = CommandLine.Root().Parse(["serve"]).GetValue<TimeSpan>("--stop-timeout");
        Assert.True(patience + TimeSpan.FromSeconds(10) < TimeSpan.FromSeconds(int.Parse(pod.Text("terminationGracePeriodSeconds"), System.Globalization.CultureInfo.InvariantCulture)));
        var volumes = pod.Items("volumes").Select(volume => volume.Text("name")).ToHashSet();
        var ours = pod.Items("containers").Where(container => container.Text("image") == Image).ToList();
        Assert.Equal(["omap-generator", "serve"], ours.Select(container => container.Items("args").First().ToString()).Order(StringComparer.Ordinal));
        foreach (var container in ours)
        {
            var arguments = container.Items("args").Select(a => a.ToString()).ToArray();
            var parsed = CommandLine.Root().Parse(arguments);
            Assert.True(parsed.Errors.Count == 0, string.Join("; ", parsed.Errors.Select(e => e.Message)));
            var options = parsed.CommandResult.Command.Options.Select(option => Flags.EnvironmentName(option.Name)).ToHashSet();
            Assert.All(container.Items("env"), variable => Assert.Contains(variable.Text("name"), options));
            Assert.All(container.Items("volumeMounts"), mount => Assert.Contains(mount.Text("name"), volumes));
            var ports = container.Items("ports").ToDictionary(port => port.Text("name"), port => port.Text("containerPort"));
            Assert.Contains(arguments, a => a.StartsWith("--http-endpoint=", StringComparison.Ordinal) && a.EndsWith(":" + ports.Values.Single(), StringComparison.Ordinal));
            foreach (var probe in (string[])["startupProbe", "livenessProbe"])
                Assert.Contains(container.Text(probe, "httpGet", "port"), ports.Keys);
            CheckSecurity(container);
        }
    }

    internal static void CheckSecurity(YamlNode container)
    {
        var security = container.At("securityContext");
        Assert.Equal(("true", "10001", "true", "false"), (security.Text("runAsNonRoot"), security.Text("runAsUser"), security.Text("readOnlyRootFilesystem"), security.Text("allowPrivilegeEscalation")));
        Assert.Equal("ALL", security.Items("capabilities", "drop").Single().ToString());
        Assert.Equal("RuntimeDefault", security.Text("seccompProfile", "type"));
        Assert.NotEqual("", container.Text("resources", "requests", "memory"));
    }

    /// <summary>The sidecar's announcement has the name of node and Deployment: no two pods may meet on a node, also while they are replaced.</summary>
    internal static void CheckReplicas(YamlNode deployment)
    {
        Assert.Equal(("2", "0", "1"), (deployment.Text("spec", "replicas"), deployment.Text("spec", "strategy", "rollingUpdate", "maxSurge"), deployment.Text("spec", "strategy", "rollingUpdate", "maxUnavailable")));
        var rule = Assert.Single(deployment.Items("spec", "template", "spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"));
        Assert.Equal("kubernetes.io/hostname", rule.Text("topologyKey"));
        Assert.Equal(deployment.Map("spec", "template", "metadata", "labels"), rule.Map("labelSelector", "matchLabels"));
    }

    internal static void CheckLabelsAndPorts(IReadOnlyList<YamlMappingNode> objects, YamlNode monitor)
    {
        YamlMappingNode Only(string kind) => Assert.Single(objects, o => o.Kind() == kind);
        var deployment = Only("Deployment");
        var labels = deployment.Map("spec", "template", "metadata", "labels");
        var containerPorts = deployment.Items("spec", "template", "spec", "containers").SelectMany(c => c.Items("ports")).Select(p => p.Text("name")).ToHashSet();
        foreach (var selector in (Dictionary<string, string>[])[
            deployment.Map("spec", "selector", "matchLabels"), Only("Service").Map("spec", "selector"),
            Only("PodDisruptionBudget").Map("spec", "selector", "matchLabels"), Only("NetworkPolicy").Map("spec", "podSelector", "matchLabels")])
        {
            Assert.NotEmpty(selector);
            Assert.All(selector, pair => Assert.Equal(pair.Value, labels[pair.Key]));
        }
        var service = Only("Service");
        Assert.All(service.Items("spec", "ports"), port => Assert.Contains(port.Text("targetPort"), containerPorts));
        Assert.All(Only("NetworkPolicy").Items("spec", "ingress").SelectMany(rule => rule.Items("ports")), port => Assert.Contains(port.Text("port"), containerPorts));
        var servicePorts = service.Items("spec", "ports").Select(port => port.Text("name")).ToHashSet();
        Assert.All(monitor.Items("spec", "endpoints"), endpoint => Assert.Contains(endpoint.Text("port"), servicePorts));
        Assert.All(monitor.Map("spec", "selector", "matchLabels"), pair => Assert.Equal(pair.Value, service.Map("metadata", "labels")[pair.Key]));
    }

    // The chart has more flags, since it has values for them, and says when the image is pulled.
    internal static List<string> TakeFlags(IReadOnlyList<YamlMappingNode> objects)
    {
        List<string> flags = [];
        foreach (var container in objects.Single(o => o.Kind() == "Deployment").Items("spec", "template", "spec", "containers").Cast<YamlMappingNode>())
        {
            if (container.Text("image") != Image)
                continue;
            flags.AddRange(container.Items("args").Select(flag => $"{container.Text("name")} {flag}"));
            container.Children.Remove("args");
            container.Children.Remove("imagePullPolicy");
        }
        return flags;
    }

    // Kustomize adds a label to what comes from its base.
    internal static IEnumerable<string> Comparable(IReadOnlyList<YamlMappingNode> objects)
    {
        foreach (var labels in objects.Select(o => o.At("metadata", "labels")).OfType<YamlMappingNode>())
            labels.Children.Remove("app.kubernetes.io/part-of");
        return objects.Select(Manifests.Canonical).Select(text => text.Replace("labels: {}, ", "", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
    }

    private static string DefaultOf(string command, string option) =>
        CommandLine.Root().Parse([command]).GetValue<string>(option)!;

    private static HashSet<string> ExposedMetrics() => [.. MetricCatalog.All.SelectMany(metric => metric.Kind == MetricKind.Histogram
        ? (string[])[metric.PrometheusName + "_bucket", metric.PrometheusName + "_count", metric.PrometheusName + "_sum"]
        : [metric.PrometheusName])];

    [GeneratedRegex("rbd_replication_[a-z_]+")]
    private static partial Regex MetricName();

    [GeneratedRegex("rpc_response_status_code=~?\"([A-Za-z|]+)\"")]
    private static partial Regex CodeMatcher();
}
