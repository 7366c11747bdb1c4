using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.KubernetesTests.Sites;

/// <summary>Tests that need the two Ceph sites as well.</summary>
[CollectionDefinition("Ceph sites")]
public sealed class SitesCollection : ICollectionFixture<TwoSites>;
